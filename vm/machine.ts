/**
 * A running machine: one QEMU process from its start, paused, to its end.
 * Not here: its arguments (qemu-argv.ts), its console (serial-line.ts), what its guest should do (harness).
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatCommandLine } from "./command-line.js";
import { DisposableStack } from "./disposable-stack.js";
import { describeExit, type ExitReport, type GuestEnd, readLogTail, startupFailure } from "./exit-report.js";
import { findQemu } from "./find-qemu.js";
import type { MachineSpec } from "./machine-spec.js";
import { qemuArgv } from "./qemu-argv.js";
import { parseChardevs, type QmpEvent } from "./qmp-message.js";
import { QmpSession } from "./qmp-session.js";
import { CHANNEL_DESCRIPTOR, spawnTethered, type TetheredProcess } from "./tethered-process.js";
import { VmError } from "./vm-error.js";
import { waitAtMost } from "./wait-at-most.js";

export interface LaunchOptions {
  /** Folder for what the machine leaves: argv.txt, qemu.log, ttyS<n>.log. Made where it is missing; never removed. */
  readonly workDir: string;
  /** Ends the launch; a machine that runs is ended by stop() or by disposing of it. */
  readonly signal?: AbortSignal | undefined;
  /** Takes one line for each step of the machine's life. @default nobody is told */
  readonly log?: ((line: string) => void) | undefined;
  /** The QEMU to run, looked up in the PATH. @default "qemu-system-x86_64" */
  readonly program?: string | undefined;
}

/** Something that happened to the guest; each is the machine's end. */
export interface MachineEvent {
  readonly kind: GuestEnd;
  /** QEMU's own words on it. */
  readonly detail: string;
}

export interface StopOptions {
  /** Presses the power button first and gives the guest so long to shut down, in milliseconds. @default it is not asked */
  readonly powerdownMs?: number | undefined;
}

/** QEMU's time to start and greet, in milliseconds; it needs a tenth of a second. */
const START_LIMIT_MS = 10_000;
/** After the guest's end, time for the readers of its ptys to take what is in them: they lose it when QEMU goes. */
const DRAIN_MS = 150;
/** Each rung of the ladder that ends QEMU, in milliseconds. */
const QUIT_MS = 1_000;
const TERM_MS = 1_000;
const KILL_MS = 5_000;

/**
 * Starts a machine, paused: attach to its serial lines, then resume() it.
 * @throws VmError QEMU_NOT_FOUND, SETPRIV_NOT_FOUND, BAD_SPEC; EXITED_EARLY, KVM_UNUSABLE, ROM_NOT_FOUND or
 * PTY_UNAVAILABLE with QEMU's own words; QMP_* when it does not speak
 */
export async function launchMachine(spec: MachineSpec, options: LaunchOptions): Promise<RunningMachine> {
  const { workDir, signal } = options;
  signal?.throwIfAborted();
  const startedAt = performance.now();
  const log = (text: string) => {
    options.log?.(`vm[${spec.name}] +${((performance.now() - startedAt) / 1000).toFixed(2)}s ${text}`);
  };
  const program = await findQemu(options.program);
  const args = qemuArgv(spec, { workDir, control: { descriptor: CHANNEL_DESCRIPTOR } });
  await mkdir(workDir, { recursive: true });
  await writeFile(join(workDir, "argv.txt"), rerunnable(program, qemuArgv(spec, { workDir, control: "terminal" })));

  await using cleanup = new DisposableStack();
  const logPath = join(workDir, "qemu.log");
  const process = await spawnTethered(program, args, { logPath });
  cleanup.defer(async () => {
    process.kill("SIGKILL");
    // Whoever aborts may look for it at once.
    await waitAtMost(process.exited, { limitMs: QUIT_MS, onLimit: () => new Error("still there") }).catch(
      () => undefined,
    );
  });
  log(`started QEMU, pid ${process.pid}`);
  try {
    const qmp = cleanup.use(await QmpSession.open(process.channel, { limitMs: START_LIMIT_MS, signal }));
    const chardevs = parseChardevs(await qmp.execute("query-chardev"));
    const serialPaths = new Map(
      chardevs.flatMap(({ label, filename }) =>
        filename.startsWith("pty:") ? [[label, filename.slice("pty:".length)] as const] : [],
      ),
    );
    cleanup.move();
    return new RunningMachine(spec.name, { process, qmp, serialPaths, logPath, log });
  } catch (error) {
    if (!(error instanceof VmError && error.code === "QMP_CLOSED")) throw error;
    const exit = await waitAtMost(process.exited, { limitMs: QUIT_MS, signal, onLimit: () => error });
    throw startupFailure(exit, await readLogTail(logPath), logPath);
  }
}

const rerunnable = (program: string, args: readonly string[]): string =>
  [
    "# The machine that livelab ran, with a monitor on this terminal in place of livelab's own channel.",
    '# The guest starts paused: attach to the ptys that QEMU names, then type "cont".',
    formatCommandLine(program, args),
  ].join("\n");

interface MachineParts {
  readonly process: TetheredProcess;
  readonly qmp: QmpSession;
  /** pty by name of serial line. */
  readonly serialPaths: ReadonlyMap<string, string>;
  readonly logPath: string;
  readonly log: (text: string) => void;
}

export class RunningMachine implements AsyncDisposable {
  readonly name: string;
  readonly qemuVersion: string;
  /** QEMU's process id. */
  readonly pid: number;
  /** How it ended. Settles within 2 s of the guest's shutdown, reset or panic; never rejects. */
  readonly exited: Promise<ExitReport>;
  readonly #parts: MachineParts;
  readonly #listeners = new Set<(event: MachineEvent) => void>();
  #guestEnd: GuestEnd | undefined;
  #announceGuestEnd = () => {};
  readonly #guestEnded = new Promise<void>((resolve) => {
    this.#announceGuestEnd = resolve;
  });
  #stopping: Promise<ExitReport> | undefined;

  /** For launchMachine. */
  constructor(name: string, parts: MachineParts) {
    this.name = name;
    this.#parts = parts;
    this.pid = parts.process.pid;
    this.qemuVersion = parts.qmp.qemuVersion;
    const watched = this.#watchEvents();
    this.exited = this.#report(watched);
  }

  /** The device that is the host's end of a serial line. @param line e.g. "ttyS1" @throws VmError NO_SUCH_LINE */
  serialPath(line: string): string {
    const path = this.#parts.serialPaths.get(line);
    if (path !== undefined) return path;
    const lines = [...this.#parts.serialPaths.keys()].join(", ") || "none";
    throw new VmError("NO_SUCH_LINE", `machine ${this.name} has no pty for ${line}; it has: ${lines}`);
  }

  /** Lets the guest run. @throws VmError QMP_CLOSED when QEMU has ended */
  async resume(): Promise<void> {
    await this.#parts.qmp.execute("cont");
    this.#parts.log("resumed");
  }

  /**
   * Calls `listener` with each event as it happens, before `exited` settles.
   * @returns a function that stops it
   */
  onEvent(listener: (event: MachineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Ends the machine: the guest's own shutdown if asked for, QMP quit, SIGTERM, SIGKILL.
   * A second call gets the same answer. @throws VmError STILL_RUNNING
   */
  stop(options: StopOptions = {}): Promise<ExitReport> {
    this.#stopping ??= this.#stop(options);
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop({ powerdownMs }: StopOptions): Promise<ExitReport> {
    const { process, qmp, log } = this.#parts;
    const rungs: readonly (readonly [name: string, limitMs: number, act: () => unknown])[] = [
      // A QEMU that ends does not always answer first.
      ["quit", QUIT_MS, () => qmp.execute("quit").catch(() => {})],
      ["SIGTERM", TERM_MS, () => process.kill("SIGTERM")],
      ["SIGKILL", KILL_MS, () => process.kill("SIGKILL")],
    ];
    if (powerdownMs !== undefined) {
      log("stop: power button");
      qmp.execute("system_powerdown").catch(() => {});
      await within(Promise.race([this.#guestEnded, process.exited]), powerdownMs);
    }
    if (this.#guestEnd !== undefined) await within(process.exited, DRAIN_MS);
    if (await within(process.exited, 0)) return this.exited;
    for (const [name, limitMs, act] of rungs) {
      log(`stop: ${name}`);
      act();
      if (await within(process.exited, limitMs)) return this.exited;
    }
    throw new VmError("STILL_RUNNING", `QEMU, pid ${process.pid}, outlived SIGKILL for ${KILL_MS} ms`);
  }

  async #watchEvents(): Promise<void> {
    try {
      for (;;) this.#take(await this.#parts.qmp.nextEvent());
    } catch {
      // The channel closes when QEMU ends, which `exited` tells.
    }
  }

  #take(event: QmpEvent): void {
    const kind = guestEnd(event);
    if (kind === undefined || this.#guestEnd !== undefined) return;
    this.#guestEnd = kind;
    const detail = `${event.name} ${JSON.stringify(event.data)}`;
    this.#parts.log(`qmp <- ${detail}`);
    for (const listener of this.#listeners) listener({ kind, detail });
    this.#announceGuestEnd();
    // Whoever owns the machine calls stop() too, and is told of its failure there.
    this.stop().catch(() => {});
  }

  async #report(watched: Promise<void>): Promise<ExitReport> {
    const { process, qmp, logPath, log } = this.#parts;
    const exit = await process.exited;
    await qmp[Symbol.asyncDispose]();
    // Events that QEMU sent last are read before it is judged.
    await watched;
    const report = { ...exit, reason: this.#reason(exit.signal), logTail: await readLogTail(logPath) };
    log(`ended: ${describeExit(report)}`);
    return report;
  }

  #reason(signal: NodeJS.Signals | null): ExitReport["reason"] {
    return this.#guestEnd ?? (this.#stopping !== undefined ? "quit" : signal !== null ? "killed" : "failed");
  }
}

/** Whether `work` is done in time. */
const within = (work: Promise<unknown>, limitMs: number): Promise<boolean> =>
  waitAtMost(
    work.then(() => true),
    { limitMs, onLimit: () => new Error("not in time") },
  ).catch(() => false);

/** Which events are the guest's end. Source: QEMU qapi/run-state.json and qapi/block-core.json. */
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
