/**
 * A running VM with SSH on a virtio-serial port: the builder VM and the root VM. In the guest run vm-init.sh and
 * channel/serve-ssh.sh.
 */
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { DisposableStack } from "../../../base/disposable-stack.js";
import { firstError } from "../../../base/first-error.js";
import { isDiskFullText } from "../../../base/no-room.js";
import { LONGEST_SOCKET_PATH } from "../../../base/socket-path.js";
import { TempDir } from "../../../base/temp-dir.js";
import { waitAtMost } from "../../../base/wait-at-most.js";
import { type AcceleratorVerdict, dropKvmVerdict } from "../../../vm/accelerator/accelerator.js";
import { isKvmFailure, kvmFailureOf } from "../../../vm/accelerator/kvm-failure.js";
import { launchMachine, type RunningMachine } from "../../../vm/machine.js";
import type { MachineSpec } from "../../../vm/machine-spec.js";
import { describeExit } from "../../../vm/qemu/exit-report.js";
import { VmError } from "../../../vm/vm-error.js";
import { BuilderError } from "../../builder-error.js";
import { openGuestPort } from "../../channel/guest-port.js";
import { SshConnection, SshError } from "../../channel/ssh-connection.js";
import { Draft } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";
import { readVmKeys } from "./vm-spec.js";

export interface GuestOptions {
  readonly home: LivelabHome;
  readonly verdict: AcceleratorVerdict;
  readonly signal: AbortSignal;
}

export interface GuestStart {
  /** The machine in messages, e.g. "the builder VM". */
  readonly title: string;
  /** Makes the machine's files in its work folder. @param socket where QEMU listens for the SSH connection */
  readonly layOut: (workDir: string, socket: string) => Promise<MachineSpec>;
  /** Folder with the keys that the restored guest has, or that the booted guest gets. */
  readonly keys: string;
  /** File of a saved state. @default the guest boots */
  readonly restoreFrom?: string | undefined;
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

/** Whether a guest did not start by its own fault or that of its saved state, not by a fault of the host. */
export const isGuestFailure = (error: unknown): error is Error =>
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
 * @param title the machine in messages
 */
export async function notStarted(thrown: unknown, home: LivelabHome, title: string): Promise<unknown> {
  const error = firstError(thrown);
  if (isKvmFailure(error)) {
    await dropKvmVerdict(home.root);
    return error;
  }
  const guests = isGuestFailure(error) || (error instanceof VmError && error.kind === "internal");
  if (!guests) return thrown;
  return new BuilderError("MACHINE_DIED", `${title} did not start: ${error.message}`, {
    hint: `read the logs in ${lastFailure(home)}`,
    cause: error,
  });
}

export class Guest implements AsyncDisposable {
  readonly ssh: SshConnection;
  readonly machine: RunningMachine;
  /** Folder of the machine's files; it is removed with the machine. */
  readonly workDir: string;
  readonly #title: string;
  readonly #home: LivelabHome;
  readonly #resources: DisposableStack;

  private constructor(
    { ssh, machine, workDir }: Pick<Guest, "ssh" | "machine" | "workDir">,
    title: string,
    home: LivelabHome,
    resources: DisposableStack,
  ) {
    this.ssh = ssh;
    this.machine = machine;
    this.workDir = workDir;
    this.#title = title;
    this.#home = home;
    this.#resources = resources;
  }

  /** Starts QEMU and connects. @throws the errors that notStarted() converts; VmError as launchMachine() */
  static async start(options: GuestOptions, start: GuestStart): Promise<Guest> {
    const { home, signal } = options;
    const { title, layOut, restoreFrom } = start;
    await using cleanup = new DisposableStack();
    const { path: workDir } = cleanup.use(await Draft.begin(join(home.machines, "vm")));
    const traces = new DisposableStack();
    // Keep the logs of a machine that fails to start. This runs before the folder is removed.
    cleanup.use(traces);
    traces.defer(() => keepTraces(workDir, lastFailure(home)));
    await mkdir(workDir, { recursive: true });
    const socket = await socketPath(workDir, cleanup);
    const spec = await layOut(workDir, socket);
    const machine = cleanup.use(await launchMachine(spec, { workDir, signal, restoreFrom }));
    const ssh = await connect(options, start, machine, socket).catch(async (error) => {
      signal.throwIfAborted();
      throw (await kvmFailureAtEnd(machine, FAILED_START_LIMIT_MS)) ?? error;
    });
    cleanup.use(ssh);
    traces.move();
    return new Guest({ ssh, machine, workDir }, title, home, cleanup.move());
  }

  /** The error if KVM failed under the machine. Then it also removes the stored verdict on KVM. */
  async hostFailure(): Promise<VmError | undefined> {
    const error = await kvmFailureAtEnd(this.machine, EXIT_LIMIT_MS);
    if (error !== undefined) await dropKvmVerdict(this.#home.root);
    return error;
  }

  async whyLost(): Promise<string> {
    const exit = await waitAtMost(this.machine.exited, { limitMs: EXIT_LIMIT_MS });
    if (exit !== undefined) return `ended: ${describeExit(exit)}`;
    return "still runs, but does not respond";
  }

  /**
   * Converts the error of a lost connection to the error of the machine. Returns any other error unchanged.
   * @param hint the next step if the host's disk is full
   */
  async explain(error: unknown, hint: string): Promise<unknown> {
    if (!(error instanceof SshError)) return error;
    const byHost = await this.hostFailure();
    if (byHost !== undefined) return byHost;
    const why = await this.whyLost();
    if (isDiskFullText(why)) return new BuilderError("HOST_DISK_FULL", `${this.#title} ${why}`, { hint, cause: error });
    return new BuilderError("MACHINE_DIED", `${this.#title} ${why} (${error.message})`, { cause: error });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}

/** Resumes the machine and waits until it serves SSH. */
async function connect(
  { verdict, signal }: GuestOptions,
  { keys, restoreFrom }: GuestStart,
  machine: RunningMachine,
  socket: string,
): Promise<SshConnection> {
  await machine.resume();
  const limitMs = (restoreFrom === undefined ? BOOT_LIMIT_MS : RESTORE_LIMIT_MS) * verdict.timeScale;
  const port = await openGuestPort(socket, { limitMs, signal });
  return SshConnection.connect(port, {
    ...(await readVmKeys(keys)),
    handshakeTimeoutMs: HANDSHAKE_LIMIT_MS * verdict.timeScale,
    keepaliveMs: KEEPALIVE_MS,
    signal,
  });
}

/** Chooses the work folder, which is swept if livelab is killed; a temporary folder if that path is too long for a socket. */
async function socketPath(workDir: string, cleanup: DisposableStack): Promise<string> {
  const path = join(workDir, "ssh");
  if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path;
  return join(cleanup.use(await TempDir.createForSockets("vm")).path, "ssh");
}

/** @param limitMs wait for the machine's end, in milliseconds @returns undefined if it runs, or ended for another reason */
async function kvmFailureAtEnd(machine: RunningMachine, limitMs: number): Promise<VmError | undefined> {
  if (machine.accelerator !== "kvm") return undefined;
  const exit = await waitAtMost(machine.exited, { limitMs });
  return exit && kvmFailureOf(exit);
}
