/**
 * The builder VM (DESIGN D1, D2, D5): the packages base under QEMU, SSH on a virtio-serial port, no network device,
 * the pool's disk as its second, a disk for what goes out as its third. A machine that was booted once is kept as a
 * saved state, from which others start.
 * Not here: what is done with the pool (vm-stages.ts, pool.sh), the guest's side (vm-init.sh, serve-ssh.sh).
 */
import { mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DisposableStack } from "../../../base/disposable-stack.js";
import { firstError } from "../../../base/first-error.js";
import { isThere } from "../../../base/is-there.js";
import type { Progress } from "../../../base/progress/progress.js";
import { LONGEST_SOCKET_PATH } from "../../../base/socket-path.js";
import { TempDir } from "../../../base/temp-dir.js";
import { waitAtMost } from "../../../base/wait-at-most.js";
import { dropKvmVerdict } from "../../../vm/accelerator/accelerator.js";
import { isKvmFailure, kvmFailureOf } from "../../../vm/accelerator/kvm-failure.js";
import { createRawDisk } from "../../../vm/disk-image.js";
import { launchMachine, type RunningMachine } from "../../../vm/machine.js";
import { describeExit } from "../../../vm/qemu/exit-report.js";
import { findQemu, readQemuVersion } from "../../../vm/qemu/find-qemu.js";
import { qemuArgv } from "../../../vm/qemu/qemu-argv.js";
import { VmError } from "../../../vm/vm-error.js";
import { BuilderError } from "../../builder-error.js";
import { openGuestPort } from "../../channel/guest-port.js";
import { SshConnection, SshError } from "../../channel/ssh-connection.js";
import { SSHD_CONFIG } from "../../channel/sshd-config.js";
import { Draft } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";
import { savedStates } from "../../home/sweep.js";
import { digestOf } from "../../profile/digest.js";
import type { BuilderMachine } from "../builder-machine.js";
import { copyOverDisk, OUTBOX_BYTES } from "../copy-out.js";
import { makeVmKeys, OUTBOX_INSIDE, readVmKeys, type VmParts, vmSpec } from "./vm-spec.js";

export interface VmOptions extends VmParts {
  readonly home: LivelabHome;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** From the start of the firmware to SSH, in milliseconds with KVM; it took 2 s there by estimate, 9 s emulated. */
const BOOT_LIMIT_MS = 30_000;
/** From a restored state to SSH, in milliseconds with KVM. */
const RESTORE_LIMIT_MS = 5_000;
const HANDSHAKE_LIMIT_MS = 10_000;
/** A guest that hung is told as such after 24 times so long, in milliseconds: emulated on a busy host ones were silent for 20 s. */
const KEEPALIVE_MS = 5_000;
/** For QEMU to tell why it ended, in milliseconds. */
const EXIT_LIMIT_MS = 5_000;
/** For the same, when the machine did not come up: its port closes with it. In milliseconds. */
const FAILED_START_LIMIT_MS = 2_000;
/** For the guest to wait for its next session after one has ended, in milliseconds with KVM. */
const SETTLE_MS = 300;

/** Whether a start from a saved state failed for what that state is, not for the host. */
const isOfTheState = (error: unknown): error is Error =>
  (error instanceof VmError && ["STATE_REJECTED", "GUEST_SILENT", "PORT_CLOSED", "KVM_FAILED"].includes(error.code)) ||
  error instanceof SshError ||
  (error as NodeJS.ErrnoException).code === "ENOENT"; // its keys

/** Folder with what the last machine left that did not come up. */
const lastFailure = (home: LivelabHome): string => join(home.vm, "last-failure");

async function keepTraces(workDir: string, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await rename(workDir, target).catch(() => undefined); // nothing was begun
}

/**
 * What a guest or QEMU did is no defect of livelab; it is reported with where to look. What KVM did is the host's matter,
 * and its verdict is dropped.
 */
async function notStarted(thrown: unknown, home: LivelabHome): Promise<unknown> {
  const error = firstError(thrown);
  if (isKvmFailure(error)) {
    await dropKvmVerdict(home.root);
    return error;
  }
  const guests =
    error instanceof SshError || (error instanceof VmError && error.kind === "internal") || isOfTheState(error);
  if (!guests) return thrown;
  return new BuilderError("MACHINE_DIED", `the builder VM did not start: ${(error as Error).message}`, {
    hint: `see what it left: ${lastFailure(home)}`,
    cause: error,
  });
}

export class BuilderVm implements BuilderMachine {
  readonly ssh: SshConnection;
  readonly #home: LivelabHome;
  readonly #machine: RunningMachine;
  readonly #outbox: string;
  readonly #resources: DisposableStack;

  private constructor(
    home: LivelabHome,
    ssh: SshConnection,
    machine: RunningMachine,
    outbox: string,
    resources: DisposableStack,
  ) {
    this.#home = home;
    this.ssh = ssh;
    this.#machine = machine;
    this.#outbox = outbox;
    this.#resources = resources;
  }

  /**
   * Starts a machine: from the saved state if there is one that loads, else by booting.
   * @throws BuilderError MACHINE_DIED when it does not come up; VmError as launchMachine does for what the host lacks
   */
  static async start(options: VmOptions): Promise<BuilderVm> {
    return BuilderVm.#startAny(options).catch(async (error) => {
      throw await notStarted(error, options.home);
    });
  }

  static async #startAny(options: VmOptions): Promise<BuilderVm> {
    const folder = await stateFolder(options);
    if (await BuilderVm.isPrepared(options)) {
      try {
        return await BuilderVm.#launch(options, folder, join(folder, "state"));
      } catch (thrown) {
        options.signal.throwIfAborted();
        const error = firstError(thrown);
        if (!isOfTheState(error)) throw thrown;
        options.progress.note(
          `the builder VM's saved state is of no use and was dropped: ${error.message.split("\n")[0]}`,
        );
        await rm(folder, { recursive: true, force: true });
      }
    }
    await using keys = await TempDir.create("keys");
    await makeVmKeys(keys.path);
    return await BuilderVm.#launch(options, keys.path, undefined);
  }

  /** Whether a state is saved from which such machines start. */
  static async isPrepared(options: VmOptions): Promise<boolean> {
    return await isThere(await stateFolder(options));
  }

  /**
   * Boots a machine and saves its state for those to come.
   * A host that cannot (no room, say) does without: its machines boot each time.
   */
  static async prepare(options: VmOptions): Promise<void> {
    const folder = await stateFolder(options);
    try {
      await using draft = await Draft.begin(folder);
      const part = draft.path;
      await mkdir(part);
      await makeVmKeys(part);
      await using vm = await BuilderVm.#launch(options, part, undefined);
      // What a stage begins and ends with is read from the disk once, and is in every machine's memory then.
      const warmUp = "zpool version; zfs version; tar --version; sh -c true";
      await vm.ssh.exec(warmUp, { signal: options.signal }).catch(async (error) => {
        options.signal.throwIfAborted();
        throw (await vm.hostFailure()) ?? error;
      });
      await vm.ssh[Symbol.asyncDispose]();
      await sleep(SETTLE_MS * options.verdict.timeScale, undefined, { signal: options.signal });
      await vm.#machine.saveState(join(part, "state"), { signal: options.signal });
      await draft.commit();
    } catch (thrown) {
      const error = firstError(thrown);
      if (!(error instanceof VmError && error.code === "STATE_NOT_SAVED")) {
        throw await notStarted(thrown, options.home);
      }
      options.progress.note(`builder VMs will boot each time: ${error.message}`);
    }
  }

  /** @param keys folder with the keys that the guest has or will get */
  static async #launch(options: VmOptions, keys: string, restoreFrom: string | undefined): Promise<BuilderVm> {
    const { home, signal } = options;
    await using cleanup = new DisposableStack();
    const { path: workDir } = cleanup.use(await Draft.begin(join(home.machines, "vm")));
    const traces = new DisposableStack();
    // A machine that did not come up leaves what it said; this runs before the folder is removed.
    cleanup.use(traces);
    traces.defer(() => keepTraces(workDir, lastFailure(home)));
    await mkdir(workDir, { recursive: true });
    const socket = await BuilderVm.#socketPath(workDir, cleanup);
    const outbox = join(workDir, "outbox.raw");
    await createRawDisk(outbox, OUTBOX_BYTES);
    const machine = cleanup.use(
      await launchMachine(vmSpec(options, { keys, socket, outbox }), { workDir, signal, restoreFrom }),
    );
    const ssh = await BuilderVm.#connect(options, machine, {
      keys,
      socket,
      isRestored: restoreFrom !== undefined,
    }).catch(async (error) => {
      signal.throwIfAborted();
      throw (await kvmFailureAtEnd(machine, FAILED_START_LIMIT_MS)) ?? error;
    });
    cleanup.use(ssh);
    traces.move();
    return new BuilderVm(home, ssh, machine, outbox, cleanup.move());
  }

  /** Lets the machine run and waits until it serves SSH. */
  static async #connect(
    { verdict, signal }: VmOptions,
    machine: RunningMachine,
    { keys, socket, isRestored }: { readonly keys: string; readonly socket: string; readonly isRestored: boolean },
  ): Promise<SshConnection> {
    await machine.resume();
    const limitMs = (isRestored ? RESTORE_LIMIT_MS : BOOT_LIMIT_MS) * verdict.timeScale;
    const port = await openGuestPort(socket, { limitMs, signal });
    return SshConnection.connect(port, {
      ...(await readVmKeys(keys)),
      handshakeTimeoutMs: HANDSHAKE_LIMIT_MS * verdict.timeScale,
      keepaliveMs: KEEPALIVE_MS,
      signal,
    });
  }

  /** In the work folder, where it is swept if we are killed; elsewhere if that path is longer than a socket's may be. */
  static async #socketPath(workDir: string, cleanup: DisposableStack): Promise<string> {
    const path = join(workDir, "ssh");
    if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path;
    return join(cleanup.use(await TempDir.createForSockets("vm")).path, "ssh");
  }

  /** The error, where KVM failed under the machine; its verdict is dropped then. */
  async hostFailure(): Promise<VmError | undefined> {
    const error = await kvmFailureAtEnd(this.#machine, EXIT_LIMIT_MS);
    if (error !== undefined) await dropKvmVerdict(this.#home.root);
    return error;
  }

  async whyLost(): Promise<string> {
    const exit = await waitAtMost(this.#machine.exited, { limitMs: EXIT_LIMIT_MS });
    if (exit !== undefined) return `ended: ${describeExit(exit)}`;
    return "runs on, but answers no more";
  }

  copyOut(folder: string, target: string, signal: AbortSignal): Promise<void> {
    return copyOverDisk(this.ssh, { path: this.#outbox, inside: OUTBOX_INSIDE }, folder, target, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** @param limitMs time for the machine to end, in milliseconds @returns undefined for one that runs on, or ended otherwise */
async function kvmFailureAtEnd(machine: RunningMachine, limitMs: number): Promise<VmError | undefined> {
  if (machine.accelerator !== "kvm") return undefined;
  const exit = await waitAtMost(machine.exited, { limitMs });
  return exit && kvmFailureOf(exit);
}

/**
 * Folder of the state that such machines can start from. Its name begins with the base's key and holds a digest of all
 * that QEMU or the guest's memory depends on; where files lie is not among that.
 */
async function stateFolder(options: VmOptions): Promise<string> {
  const { home, base, disk, verdict } = options;
  const files = { disk: "disk", base: { key: base.key, kernel: "kernel", initrd: "initrd", root: "root" } };
  const argv = qemuArgv(vmSpec({ ...options, ...files }, { keys: "keys", socket: "socket", outbox: "outbox" }), {
    workDir: "work",
    control: { descriptor: 0 },
  });
  const root = await stat(base.root);
  const key = digestOf({
    // A base that was made again has other bytes, on which a guest's memory of the old ones must not be laid.
    base: `${base.key} ${root.size} ${root.mtimeMs}`,
    argv: argv.join("\n"),
    sshd: SSHD_CONFIG,
    qemu: await readQemuVersion(await findQemu()),
    diskBytes: `${(await stat(disk)).size} ${OUTBOX_BYTES}`,
    // What the guest found out about a host's processor it would miss on another.
    processor: verdict.accelerator === "kvm" ? await processorFlags() : "",
  });
  return join(savedStates(home), `${base.key}-${key}`);
}

async function processorFlags(): Promise<string> {
  const text = await readFile("/proc/cpuinfo", "latin1");
  return text
    .split("\n")
    .filter((line) => /^(model name|microcode|flags)\s*:/.test(line))
    .slice(0, 3)
    .join("\n");
}
