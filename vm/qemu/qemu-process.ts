/**
 * A QEMU that was started and has been spoken to: its process and its QMP session, ended as one.
 * Not here: its arguments, and what is said to it (machine.ts, disk-image.ts).
 */
import type { FileHandle } from "node:fs/promises";
import { DisposableStack } from "../../base/disposable-stack.js";
import { waitAtMost } from "../../base/wait-at-most.js";
import type { Accelerator } from "../machine-spec.js";
import { VmError } from "../vm-error.js";
import { readLogTail, startupFailure } from "./exit-report.js";
import { QmpSession } from "./qmp-session.js";
import { spawnTethered, type TetheredProcess } from "./tethered-process.js";

export interface QemuProcess extends AsyncDisposable {
  readonly process: TetheredProcess;
  readonly qmp: QmpSession;
  /** What QEMU writes to stdout and stderr. */
  readonly logPath: string;
}

export interface QemuStart {
  /** File for what QEMU writes; emptied first. */
  readonly logPath: string;
  /** A state that it can be told to load. */
  readonly stdin?: FileHandle | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What its arguments make it run a guest with, which its failure at the start is put down to. @default "tcg" */
  readonly accelerator?: Accelerator | undefined;
  /** Told the process id before QEMU has said anything. */
  readonly onPid?: ((pid: number) => void) | undefined;
}

/** QEMU's time to start and greet, in milliseconds; it needs a tenth of a second, and on a busy host it took 10 s. */
const START_LIMIT_MS = 60_000;
/** From its being killed, or its closing of the channel, to its end; in milliseconds. */
const END_LIMIT_MS = 1_000;

/**
 * Starts QEMU and agrees with it on QMP. Disposing of it kills it.
 * @param args with a QMP monitor on CHANNEL_DESCRIPTOR among them
 * @throws VmError SETPRIV_NOT_FOUND; EXITED_EARLY, KVM_UNUSABLE, KVM_FAILED, ROM_NOT_FOUND or PTY_UNAVAILABLE with QEMU's own
 * words; KVM_FAILED or QEMU_BROKEN when it does not speak QMP
 */
export async function startQemu(program: string, args: readonly string[], start: QemuStart): Promise<QemuProcess> {
  const { logPath, stdin, signal, accelerator, onPid } = start;
  await using cleanup = new DisposableStack();
  const process = await spawnTethered(program, args, { logPath, stdin });
  cleanup.defer(async () => {
    process.kill("SIGKILL");
    // Whoever aborts may look for it at once.
    await waitAtMost(process.exited, { limitMs: END_LIMIT_MS });
  });
  onPid?.(process.pid);
  try {
    const qmp = cleanup.use(await QmpSession.open(process.channel, { limitMs: START_LIMIT_MS, signal }));
    const owned = cleanup.move();
    return { process, qmp, logPath, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
  } catch (error) {
    throw await startupError(error, { process, logPath, accelerator, signal });
  }
}

/**
 * What an error of the first words with QEMU means: QEMU ended, or it does not speak as it should.
 * @returns the error of a QEMU that ended, with its own words; KVM_FAILED or QEMU_BROKEN for one that runs; an error that is
 * not QEMU's as it is
 */
export async function startupError(
  error: unknown,
  start: Pick<QemuProcess, "process" | "logPath"> & Pick<QemuStart, "accelerator" | "signal">,
): Promise<unknown> {
  if (!(error instanceof VmError && /^QMP_/.test(error.code))) return error;
  const { process, logPath, accelerator = "tcg", signal } = start;
  if (error.code === "QMP_CLOSED") {
    const exit = await waitAtMost(process.exited, { limitMs: END_LIMIT_MS, signal });
    if (exit !== undefined) return startupFailure(exit, await readLogTail(logPath), logPath, accelerator);
  }
  const code = accelerator === "kvm" ? "KVM_FAILED" : "QEMU_BROKEN";
  const hint = `see ${logPath}, and argv.txt beside it`;
  return new VmError(code, `QEMU does not speak QMP: ${error.message}`, { hint, cause: error });
}
