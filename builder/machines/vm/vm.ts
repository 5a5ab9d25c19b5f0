/**
 * The builder VM (DESIGN D1, D2, D5): the packages base under QEMU, with SSH on a virtio-serial port and no network device.
 * The second disk holds the pool (vm-stages.ts, pool.sh); the third copies files to the host. livelab boots a machine once and
 * saves its state, from which the next machines start.
 */
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { firstError } from "../../../base/first-error.js";
import { isThere } from "../../../base/is-there.js";
import type { Progress } from "../../../base/progress/progress.js";
import { TempDir } from "../../../base/temp-dir.js";
import { createRawDisk } from "../../../vm/disk-image.js";
import { findQemu, readQemuVersion } from "../../../vm/qemu/find-qemu.js";
import { qemuArgv } from "../../../vm/qemu/qemu-argv.js";
import { VmError } from "../../../vm/vm-error.js";
import type { SshConnection } from "../../channel/ssh-connection.js";
import { SSHD_CONFIG } from "../../channel/sshd-config.js";
import { Draft } from "../../home/draft.js";
import { savedStates } from "../../home/sweep.js";
import { digestOf } from "../../profile/digest.js";
import type { BuilderMachine, CopiedFile } from "../builder-machine.js";
import { copyOverDisk, OUTBOX_BYTES } from "../copy-out.js";
import { Guest, type GuestOptions, isGuestFailure, notStarted } from "./guest.js";
import { makeVmKeys, OUTBOX_INSIDE, type VmParts, vmSpec } from "./vm-spec.js";

export interface VmOptions extends VmParts, GuestOptions {
  readonly progress: Progress;
}

const TITLE = "the builder VM";
/** Time for the guest to get from the end of a session to waiting for the next, in milliseconds with KVM. */
const SETTLE_MS = 300;

export class BuilderVm implements BuilderMachine {
  readonly ssh: SshConnection;
  readonly #guest: Guest;
  readonly #options: VmOptions;

  private constructor(guest: Guest, options: VmOptions) {
    this.ssh = guest.ssh;
    this.#guest = guest;
    this.#options = options;
  }

  /**
   * Starts a machine from the saved state, or boots it if no state exists or the state does not load.
   * @throws BuilderError MACHINE_DIED if it does not start; VmError as launchMachine() if the host lacks something
   */
  static async start(options: VmOptions): Promise<BuilderVm> {
    return BuilderVm.#startAny(options).catch(async (error) => {
      throw await notStarted(error, options.home, TITLE);
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
        if (!isGuestFailure(error)) throw thrown;
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
      await vm.#guest.machine.saveState(join(part, "state"), { signal: options.signal });
      await draft.commit();
    } catch (thrown) {
      const error = firstError(thrown);
      if (!(error instanceof VmError && error.code === "STATE_NOT_SAVED")) {
        throw await notStarted(thrown, options.home, TITLE);
      }
      options.progress.note(`every builder VM has to boot, because its state cannot be saved: ${error.message}`);
    }
  }

  static async #launch(options: VmOptions, keys: string, restoreFrom: string | undefined): Promise<BuilderVm> {
    const layOut = async (workDir: string, socket: string) => {
      const outbox = outboxPath(workDir);
      await createRawDisk(outbox, OUTBOX_BYTES);
      return vmSpec(options, { keys, socket, outbox });
    };
    return new BuilderVm(await Guest.start(options, { title: TITLE, layOut, keys, restoreFrom }), options);
  }

  hostFailure(): Promise<VmError | undefined> {
    return this.#guest.hostFailure();
  }

  whyLost(): Promise<string> {
    return this.#guest.whyLost();
  }

  /** Converts the error of a lost connection to the error of the machine. Returns any other error unchanged. */
  explain(error: unknown): Promise<unknown> {
    const hint = `free some space in ${this.#options.home.root} (livelab gc), then resume: livelab build -r STAMP`;
    return this.#guest.explain(error, hint);
  }

  copyOut(folder: string, target: string, signal: AbortSignal): Promise<readonly CopiedFile[]> {
    const outbox = { path: outboxPath(this.#guest.workDir), inside: OUTBOX_INSIDE };
    return copyOverDisk(this.ssh, outbox, folder, target, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guest[Symbol.asyncDispose]();
  }
}

const outboxPath = (workDir: string): string => join(workDir, "outbox.raw");

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
