/**
 * A QEMU process with its QMP session. Disposing ends both. machine.ts and disk-image.ts send the commands.
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
  /** File with QEMU's stdout and stderr. */
  readonly logPath: string;
}

export interface QemuStart {
  /** File for QEMU's output. An existing file is overwritten. */
  readonly logPath: string;
  /** A saved state, which loadState() loads. */
  readonly stdin?: FileHandle | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The accelerator in QEMU's arguments. It decides the error code of a failed start. @default "tcg" */
  readonly accelerator?: Accelerator | undefined;
  /** Called with the process id as soon as QEMU has been started. */
  readonly onPid?: ((pid: number) => void) | undefined;
}

/** Time limit for QEMU's start and greeting, in milliseconds. It usually needs 100 ms; on a busy host it took 10 s. */
const START_LIMIT_MS = 60_000;
/** Wait for QEMU's exit after a kill, or after it has closed the channel, in milliseconds. */
const END_LIMIT_MS = 1_000;

/**
 * Starts QEMU and its QMP session. Disposing of the result kills QEMU.
 * @param args QEMU's arguments, including a QMP monitor on CHANNEL_DESCRIPTOR
 * @throws VmError SETPRIV_NOT_FOUND; EXITED_EARLY, KVM_UNUSABLE, KVM_FAILED, ROM_NOT_FOUND or PTY_UNAVAILABLE with QEMU's own
 * message; KVM_FAILED or QEMU_BROKEN if QEMU does not speak QMP
 */
export async function startQemu(program: string, args: readonly string[], start: QemuStart): Promise<QemuProcess> {
  const { logPath, stdin, signal, accelerator, onPid } = start;
  await using cleanup = new DisposableStack();
  const process = await spawnTethered(program, args, { logPath, stdin });
  cleanup.defer(async () => {
    process.kill("SIGKILL");
    // Wait for its end: after an abort the caller may check at once that no QEMU is left.
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
 * Converts an error of the first QMP commands: QEMU ended, or it does not speak QMP.
 * @returns for a QEMU that ended, an error with its own message; for a running QEMU, KVM_FAILED or QEMU_BROKEN; any other
 * error unchanged
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
  const hint = `read ${logPath}, and argv.txt in the same folder`;
  return new VmError(code, `QEMU does not speak QMP: ${error.message}`, { hint, cause: error });
}
