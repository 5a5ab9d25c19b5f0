/**
 * The builder VM (DESIGN D1, D2, D5): the packages base under QEMU, with SSH on a virtio-serial port and no network device.
 * The second disk holds the pool (vm-stages.ts, pool.sh); the third copies files to the host. livelab boots a machine once and
 * saves its state, from which the next machines start. In the guest run vm-init.sh and channel/serve-ssh.sh.
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
import type { BuilderMachine, CopiedFile } from "../builder-machine.js";
import { copyOverDisk, OUTBOX_BYTES } from "../copy-out.js";
import { makeVmKeys, OUTBOX_INSIDE, readVmKeys, type VmParts, vmSpec } from "./vm-spec.js";

export interface VmOptions extends VmParts {
  readonly home: LivelabHome;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

/** Time limit from the firmware's start to SSH, in milliseconds with KVM; it took 9 s emulated, an estimated 2 s with KVM. */
const BOOT_LIMIT_MS = 30_000;
/** Time limit from a restored state to SSH, in milliseconds with KVM. */
const RESTORE_LIMIT_MS = 5_000;
const HANDSHAKE_LIMIT_MS = 10_000;
/**
 * Interval of keepalives, in milliseconds. After 24 intervals without data the guest counts as hung; emulated guests on a busy
 * host were silent for 20 s.
 */
const KEEPALIVE_MS = 5_000;
/** Wait for QEMU's exit status after a lost connection, in milliseconds. */
const EXIT_LIMIT_MS = 5_000;
/** The same wait after a failed start, in milliseconds. It is shorter, because the port closes together with the machine. */
const FAILED_START_LIMIT_MS = 2_000;
/** Time for the guest to get from the end of a session to waiting for the next, in milliseconds with KVM. */
const SETTLE_MS = 300;

/** Whether a start from a saved state failed because of that state, not because of the host. */
const isOfTheState = (error: unknown): error is Error =>
  (error instanceof VmError && ["STATE_REJECTED", "GUEST_SILENT", "PORT_CLOSED", "KVM_FAILED"].includes(error.code)) ||
  error instanceof SshError ||
  (error as NodeJS.ErrnoException).code === "ENOENT"; // the state's keys are missing

/** Folder with the logs of the last machine that failed to start. */
const lastFailure = (home: LivelabHome): string => join(home.vm, "last-failure");

async function keepTraces(workDir: string, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await rename(workDir, target).catch(() => undefined); // the machine failed before it had a work folder
}

/**
 * Converts the error of a failed start. A failure of the guest or of QEMU is not a defect of livelab: the error names the
 * folder with the logs. A failure of KVM is a fault of the host: it also removes the stored verdict on KVM.
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
    hint: `read the logs in ${lastFailure(home)}`,
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
   * Starts a machine from the saved state, or boots it if no state exists or the state does not load.
   * @throws BuilderError MACHINE_DIED if it does not start; VmError as launchMachine() if the host lacks something
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
        options.progress.note(`removed the builder VM's unusable saved state: ${error.message.split("\n")[0]}`);
        await rm(folder, { recursive: true, force: true });
      }
    }
    await using keys = await TempDir.create("keys");
    await makeVmKeys(keys.path);
    return await BuilderVm.#launch(options, keys.path, undefined);
  }

  /** Whether a saved state exists for these options. */
  static async isPrepared(options: VmOptions): Promise<boolean> {
    return await isThere(await stateFolder(options));
  }

  /**
   * Boots a machine and saves its state for the next machines.
   * If the host cannot save it, e.g. for lack of space, every machine boots.
   */
  static async prepare(options: VmOptions): Promise<void> {
    const folder = await stateFolder(options);
    try {
      await using draft = await Draft.begin(folder);
      const part = draft.path;
      await mkdir(part);
      await makeVmKeys(part);
      await using vm = await BuilderVm.#launch(options, part, undefined);
      // Read the programs that every stage runs from the disk once, so that the saved memory contains them.
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
      options.progress.note(`every builder VM has to boot, because its state cannot be saved: ${error.message}`);
    }
  }

  /** Starts QEMU and connects. @param keys folder with the keys that the restored guest has, or that the booted guest gets */
  static async #launch(options: VmOptions, keys: string, restoreFrom: string | undefined): Promise<BuilderVm> {
    const { home, signal } = options;
    await using cleanup = new DisposableStack();
    const { path: workDir } = cleanup.use(await Draft.begin(join(home.machines, "vm")));
    const traces = new DisposableStack();
    // Keep the logs of a machine that fails to start. This runs before the folder is removed.
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

  /** Resumes the machine and waits until it serves SSH. */
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

  /** Chooses the work folder, which is swept if livelab is killed; a temporary folder if that path is too long for a socket. */
  static async #socketPath(workDir: string, cleanup: DisposableStack): Promise<string> {
    const path = join(workDir, "ssh");
    if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path;
    return join(cleanup.use(await TempDir.createForSockets("vm")).path, "ssh");
  }

  /** The error if KVM failed under the machine. Then it also removes the stored verdict on KVM. */
  async hostFailure(): Promise<VmError | undefined> {
    const error = await kvmFailureAtEnd(this.#machine, EXIT_LIMIT_MS);
    if (error !== undefined) await dropKvmVerdict(this.#home.root);
    return error;
  }

  async whyLost(): Promise<string> {
    const exit = await waitAtMost(this.#machine.exited, { limitMs: EXIT_LIMIT_MS });
    if (exit !== undefined) return `ended: ${describeExit(exit)}`;
    return "still runs, but does not respond";
  }

  copyOut(folder: string, target: string, signal: AbortSignal): Promise<readonly CopiedFile[]> {
    return copyOverDisk(this.ssh, { path: this.#outbox, inside: OUTBOX_INSIDE }, folder, target, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** @param limitMs wait for the machine's end, in milliseconds @returns undefined if it runs, or ended for another reason */
async function kvmFailureAtEnd(machine: RunningMachine, limitMs: number): Promise<VmError | undefined> {
  if (machine.accelerator !== "kvm") return undefined;
  const exit = await waitAtMost(machine.exited, { limitMs });
  return exit && kvmFailureOf(exit);
}

/**
 * Folder of the saved state for these options. Its name is the base's key and a digest of everything that QEMU or the guest's
 * memory depends on. The paths of files are not part of it.
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
    // A base that was made again has different bytes, which do not match the guest's memory of the old ones.
    base: `${base.key} ${root.size} ${root.mtimeMs}`,
    argv: argv.join("\n"),
    sshd: SSHD_CONFIG,
    qemu: await readQemuVersion(await findQemu()),
    diskBytes: `${(await stat(disk)).size} ${OUTBOX_BYTES}`,
    // The guest has detected the features of this host's processor; another processor may lack them.
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
