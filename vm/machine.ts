/**
 * A running machine: one QEMU process from its paused start to its end.
 * qemu/qemu-argv.ts makes its arguments; serial/serial-line.ts opens its console.
 */
import { access, chmod, constants, copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatCommandLine } from "../base/command-line.js";
import { DisposableStack } from "../base/disposable-stack.js";
import { waitAtMost } from "../base/wait-at-most.js";
import type { Accelerator, DiskSpec, MachineSpec } from "./machine-spec.js";
import {
  type DiskError,
  describeExit,
  type ExitReport,
  findKvmFailure,
  type GuestEnd,
  readLogTail,
} from "./qemu/exit-report.js";
import { describeQemu, findQemu } from "./qemu/find-qemu.js";
import { UEFI_REMEDY } from "./qemu/find-uefi.js";
import { awaitKvmStop } from "./qemu/kvm-stop.js";
import { qemuArgv, uefiVarsPath } from "./qemu/qemu-argv.js";
import { diskSlotName } from "./qemu/qemu-drive-args.js";
import { readLogLines } from "./qemu/qemu-log.js";
import { type QemuProcess, startQemu, startupError } from "./qemu/qemu-process.js";
import { parseChardevs, parseRunState, type QmpEvent } from "./qemu/qmp-message.js";
import { CHANNEL_DESCRIPTOR } from "./qemu/tethered-process.js";
import { loadState, openState, readStateUri, type StateOptions, writeState } from "./saved-state.js";
import { VmError } from "./vm-error.js";

export interface LaunchOptions {
  /** Folder for argv.txt, qemu.log, ttyS<n>.log and uefi-vars.fd. Created if it is missing; never removed. */
  readonly workDir: string;
  /** Aborts the launch. To end a running machine, call stop() or dispose of it. */
  readonly signal?: AbortSignal | undefined;
  /** Called with one line for each step of the machine's life. @default no log */
  readonly log?: ((line: string) => void) | undefined;
  /** The QEMU to run, looked up in the PATH. @default "qemu-system-x86_64" */
  readonly program?: string | undefined;
  /** A file that saveState() of a machine with the same spec wrote. The guest resumes from it. @default the guest boots */
  readonly restoreFrom?: string | undefined;
}

/** Time after the guest's end for readers to empty its ptys, in milliseconds: the data is lost when QEMU ends. */
const DRAIN_MS = 150;
/** Time limits of the steps that end QEMU, in milliseconds. */
const QUIT_MS = 1_000;
const TERM_MS = 1_000;
const KILL_MS = 5_000;
/** Time limit for asking QEMU why it stopped its guest, in milliseconds: the end must be known within 2 s. */
const STATUS_MS = 1_500;

/**
 * Starts a paused machine. Attach to its serial lines, then call resume().
 * @throws VmError QEMU_NOT_FOUND, SETPRIV_NOT_FOUND, UEFI_NOT_FOUND, BAD_SPEC, STATE_REJECTED; errors of startQemu()
 */
export async function launchMachine(spec: MachineSpec, options: LaunchOptions): Promise<RunningMachine> {
  const { workDir, signal, restoreFrom } = options;
  signal?.throwIfAborted();
  const startedAt = performance.now();
  const log = (text: string) => {
    options.log?.(`vm[${spec.name}] +${((performance.now() - startedAt) / 1000).toFixed(2)}s ${text}`);
  };
  const program = await findQemu(options.program);
  const argv = (control: "terminal" | { descriptor: number }, incoming: string | undefined) =>
    qemuArgv(spec, { workDir, control, incoming });
  // The state is passed later, so that a failed start is not mistaken for a bad state file.
  const args = argv({ descriptor: CHANNEL_DESCRIPTOR }, restoreFrom && "defer");
  await mkdir(workDir, { recursive: true });
  if (spec.firmware?.kind === "uefi") await layOutUefiVars(spec.firmware.varsTemplatePath, uefiVarsPath(workDir));
  const again = argv("terminal", restoreFrom && readStateUri(restoreFrom));
  await writeFile(join(workDir, "argv.txt"), rerunnable(program, again));

  await using state = restoreFrom === undefined ? undefined : await openState(restoreFrom);
  await using cleanup = new DisposableStack();
  const qemu = cleanup.use(
    await startQemu(program, args, {
      logPath: join(workDir, "qemu.log"),
      stdin: state,
      signal,
      accelerator: spec.accelerator,
      onPid: (pid) => log(`started QEMU, pid ${pid}`),
    }),
  );
  // QEMU sends its greeting before it reads the kernel and the disks, and may still end because of one of them.
  const chardevs = await qemu.qmp
    .execute("query-chardev", {}, { signal })
    .then(parseChardevs)
    .catch(async (error) => {
      throw await startupError(error, { ...qemu, accelerator: spec.accelerator, signal });
    });
  const serialPaths = new Map(
    chardevs.flatMap(({ label, filename }) =>
      filename.startsWith("pty:") ? [[label, filename.slice("pty:".length)] as const] : [],
    ),
  );
  if (restoreFrom !== undefined) {
    await loadState(qemu, restoreFrom, { signal });
    log(`loaded the state ${restoreFrom}`);
  }
  cleanup.move();
  return new RunningMachine(spec, { program, qemu, serialPaths, log });
}

/** Copies UEFI's variables to the work folder. @throws VmError UEFI_NOT_FOUND without the template; errors of the copy */
async function layOutUefiVars(template: string, path: string): Promise<void> {
  await access(template, constants.R_OK).catch((cause: Error) => {
    throw new VmError("UEFI_NOT_FOUND", `cannot read the template of UEFI's variables: ${cause.message}`, {
      hint: UEFI_REMEDY,
      cause,
    });
  });
  await copyFile(template, path);
  await chmod(path, 0o600); // the template may be read-only, and a copy keeps its mode
}

const rerunnable = (program: string, args: readonly string[]): string =>
  [
    "# Starts the machine that livelab ran, with QEMU's monitor on this terminal instead of livelab's channel.",
    '# The guest starts paused. Attach to the ptys that QEMU prints, then type "cont".',
    formatCommandLine(program, args),
  ].join("\n");

interface MachineParts {
  /** Path of QEMU. */
  readonly program: string;
  readonly qemu: QemuProcess;
  /** Path of the pty, by name of the serial line. */
  readonly serialPaths: ReadonlyMap<string, string>;
  readonly log: (text: string) => void;
}

export class RunningMachine implements AsyncDisposable {
  readonly name: string;
  readonly accelerator: Accelerator;
  /** QEMU's version and place; see describeQemu(). */
  readonly qemu: string;
  /** QEMU's process id. */
  readonly pid: number;
  /** How it ended. Settles within 2 s after the guest's shutdown, reset or panic, or after KVM's failure; never rejects. */
  readonly exited: Promise<ExitReport>;
  readonly #spec: MachineSpec;
  readonly #parts: MachineParts;
  #guestEnd: GuestEnd | undefined;
  #diskError: DiskError | undefined;
  readonly #plugged: DiskSpec[] = [];
  #stopping: Promise<ExitReport> | undefined;

  /** For launchMachine. */
  constructor(spec: MachineSpec, parts: MachineParts) {
    this.name = spec.name;
    this.accelerator = spec.accelerator;
    this.#spec = spec;
    this.#parts = parts;
    this.pid = parts.qemu.process.pid;
    this.qemu = describeQemu(parts.qemu.qmp.qemuVersion, parts.program);
    const watched = this.#watchEvents();
    if (spec.accelerator === "kvm") void this.#watchKvm();
    this.exited = this.#report(watched);
  }

  /** The device of a serial line on the host. @param line e.g. "ttyS1" @throws VmError NO_SUCH_LINE */
  serialPath(line: string): string {
    const path = this.#parts.serialPaths.get(line);
    if (path !== undefined) return path;
    const lines = [...this.#parts.serialPaths.keys()].join(", ") || "none";
    throw new VmError("NO_SUCH_LINE", `machine ${this.name} has no pty for ${line}; it has: ${lines}`);
  }

  /** Resumes the guest. @throws VmError QMP_CLOSED if QEMU has ended */
  async resume(): Promise<void> {
    await this.#parts.qemu.qmp.execute("cont");
    this.#parts.log("resumed");
  }

  /**
   * Plugs a disk into a free slot of the running machine. The guest detects it as a hot-plugged disk.
   * @throws VmError NO_FREE_SLOT; QMP_ERROR with QEMU's message, e.g. if another machine uses the file
   */
  async plugDisk(disk: DiskSpec): Promise<void> {
    const slot = this.#plugged.length;
    if (slot >= (this.#spec.freeDiskSlots ?? 0)) {
      throw new VmError("NO_FREE_SLOT", `machine ${this.name} has no free slot for the disk ${disk.path}`);
    }
    this.#plugged.push(disk);
    const { qmp } = this.#parts.qemu;
    const node = `plugged${slot}`;
    await qmp.execute("blockdev-add", {
      driver: disk.format,
      "node-name": node,
      "read-only": disk.readOnly ?? false,
      discard: "unmap",
      file: { driver: "file", filename: disk.path },
    });
    await qmp.execute("device_add", {
      driver: "virtio-blk-pci",
      id: node,
      drive: node,
      bus: diskSlotName(slot),
      ...(disk.serial !== undefined && { serial: disk.serial }),
      ...(!disk.readOnly && { werror: "stop" }),
    });
    this.#parts.log(`plugged in ${disk.path}`);
  }

  /**
   * Stops the guest and writes its state to a file, completely or not at all. launchMachine() loads it with the same spec and
   * unchanged disks. After this call the machine can only be stopped.
   * @throws VmError STATE_NOT_SAVED
   */
  async saveState(path: string, options: StateOptions = {}): Promise<void> {
    await writeState(this.#parts.qemu.qmp, path, options);
    this.#parts.log(`saved the state ${path}`);
  }

  /** Ends the machine: QMP quit, SIGTERM, SIGKILL. A second call returns the same result. @throws VmError STILL_RUNNING */
  stop(): Promise<ExitReport> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /**
   * Kills the machine at once, for a guest without data to save. If the host's kernel does not end the process, waits at most
   * one second. Never rejects.
   */
  async kill(): Promise<void> {
    const { process } = this.#parts.qemu;
    this.#stopping ??= this.exited;
    process.kill("SIGKILL");
    await within(process.exited, QUIT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<ExitReport> {
    const { log } = this.#parts;
    const { process, qmp } = this.#parts.qemu;
    const rungs: readonly (readonly [name: string, limitMs: number, act: () => unknown])[] = [
      // QEMU may end without answering.
      ["quit", QUIT_MS, () => qmp.execute("quit").catch(() => {})],
      ["SIGTERM", TERM_MS, () => process.kill("SIGTERM")],
      ["SIGKILL", KILL_MS, () => process.kill("SIGKILL")],
    ];
    if (this.#guestEnd !== undefined) await within(process.exited, DRAIN_MS);
    if (await within(process.exited, 0)) return this.exited;
    for (const [name, limitMs, act] of rungs) {
      log(`stop: ${name}`);
      act();
      if (await within(process.exited, limitMs)) return this.exited;
    }
    throw new VmError("STILL_RUNNING", `QEMU (pid ${process.pid}) did not end in ${KILL_MS} ms after SIGKILL`);
  }

  async #watchEvents(): Promise<void> {
    try {
      for (;;) this.#take(await this.#parts.qemu.qmp.nextEvent());
    } catch {
      // The channel closes when QEMU ends; `exited` reports that.
    }
  }

  /** Watches QEMU's log: a QEMU that stopped its guest writes that there, but may hang and send no QMP event. */
  async #watchKvm(): Promise<void> {
    const { process, logPath } = this.#parts.qemu;
    const line = await awaitKvmStop(logPath, process.exited);
    if (line !== undefined && this.#stopping === undefined) this.#end("internal-error", line);
  }

  /** Asks for QEMU's run state: a STOP event has many causes, and only the run state shows an internal error. */
  async #askWhyStopped(): Promise<void> {
    const state = await this.#parts.qemu.qmp
      .execute("query-status", {}, { limitMs: STATUS_MS })
      .then(parseRunState)
      .catch(() => undefined);
    if (state !== "internal-error" || this.#stopping !== undefined) return;
    this.#end("internal-error", "query-status: internal-error");
  }

  #take(event: QmpEvent): void {
    if (event.name === "STOP" && this.#guestEnd === undefined) void this.#askWhyStopped();
    const kind = guestEnd(event);
    if (kind === undefined || this.#guestEnd !== undefined) return;
    if (kind === "disk-error") this.#diskError = diskError(event, this.#spec, this.#plugged);
    this.#end(kind, `qmp <- ${event.name} ${JSON.stringify(event.data)}`);
  }

  #end(kind: GuestEnd, sign: string): void {
    if (this.#guestEnd !== undefined) return;
    this.#guestEnd = kind;
    this.#parts.log(sign);
    // The owner of the machine calls stop() as well, and gets its error there.
    this.stop().catch(() => {});
  }

  async #report(watched: Promise<void>): Promise<ExitReport> {
    const { process, qmp, logPath } = this.#parts.qemu;
    const exit = await process.exited;
    await qmp[Symbol.asyncDispose]();
    // Read QEMU's last events before choosing the reason.
    await watched;
    const reason = this.#reason(exit.signal);
    const report = {
      ...exit,
      reason,
      diskError: this.#diskError,
      kvmFailure: findKvmFailure({ reason, signal: exit.signal }, this.#spec.accelerator, await readLogLines(logPath)),
      logTail: await readLogTail(logPath),
    };
    this.#parts.log(`ended: ${describeExit(report)}`);
    return report;
  }

  #reason(signal: NodeJS.Signals | null): ExitReport["reason"] {
    return this.#guestEnd ?? (this.#stopping !== undefined ? "quit" : signal !== null ? "killed" : "failed");
  }
}

/** Whether `work` finishes in time. */
const within = async (work: Promise<unknown>, limitMs: number): Promise<boolean> =>
  (await waitAtMost(
    work.then(() => true),
    { limitMs },
  )) ?? false;

/** Converts a BLOCK_IO_ERROR event. Source: QEMU qapi/block-core.json; qemu/qemu-drive-args.ts and plugDisk() name the nodes. */
function diskError({ data }: QmpEvent, { disks }: MachineSpec, plugged: readonly DiskSpec[]): DiskError {
  const node = String(data["node-name"]);
  const [, kind, index] = /^(disk|plugged)(\d+)$/.exec(node) ?? [];
  return {
    path: (kind === "plugged" ? plugged : disks)[Number(index)]?.path ?? node,
    detail: String(data["reason"]),
  };
}

/** The end of the guest that an event means, or undefined. Source: QEMU qapi/run-state.json and qapi/block-core.json. */
function guestEnd({ name, data }: QmpEvent): GuestEnd | undefined {
  switch (name) {
    case "SHUTDOWN":
      if (data["reason"] === "guest-reset") return "guest-reset";
      if (data["reason"] === "guest-panic") return "guest-panic";
      return data["guest"] === true ? "guest-shutdown" : undefined;
    case "RESET":
      return data["guest"] === true ? "guest-reset" : undefined;
    case "GUEST_PANICKED":
      return "guest-panic";
    case "BLOCK_IO_ERROR":
      return data["action"] === "stop" ? "disk-error" : undefined;
    default:
      return undefined;
  }
}
