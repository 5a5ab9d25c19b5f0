/**
 * A person's terminal on a serial line: every key goes to the far side, but for Ctrl-], which leaves.
 * Not here: reading the line for milestones, which goes on beside it (console.ts).
 */
import type { ByteLine } from "../../vm/serial/byte-line.js";

/** Ctrl-], as telnet has it. */
const ESCAPE = 0x1d;

/** The two ends of the caller's terminal; a pipe will do, but then keys come by the line. */
export interface CnTerminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WritableStream;
}

export interface JoinOptions {
  /** Settles when the far side is gone. */
  readonly ended: Promise<unknown>;
  readonly signal: AbortSignal;
}

/**
 * Joins until Ctrl-], the end of stdin, or the far side's end, and gives the terminal back as it was.
 * @throws the signal's reason when it is aborted
 */
export async function joinTerminal(
  line: Pick<ByteLine, "onData" | "write" | "closed">,
  { stdin, stdout }: CnTerminal,
  { ended, signal }: JoinOptions,
): Promise<void> {
  signal.throwIfAborted();
  const wasRaw = stdin.isTTY && stdin.isRaw;
  if (stdin.isTTY) stdin.setRawMode(true);
  const stopReading = line.onData((chunk) => stdout.write(chunk));
  let cleanup: () => void = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      const onKeys = (keys: Buffer): void => {
        const left = keys.indexOf(ESCAPE);
        const typed = left === -1 ? keys : keys.subarray(0, left);
        // A line that is gone settles `ended`; there is nothing else to do about it here.
        if (typed.length > 0) line.write(typed).catch(() => undefined);
        if (left !== -1) resolve();
      };
      const onEnd = (): void => resolve();
      const onAbort = (): void => reject(signal.reason);
      stdin.on("data", onKeys);
      stdin.once("end", onEnd);
      signal.addEventListener("abort", onAbort, { once: true });
      cleanup = () => {
        stdin.off("data", onKeys);
        stdin.off("end", onEnd);
        signal.removeEventListener("abort", onAbort);
      };
      void ended.then(onEnd);
      void line.closed.then(onEnd);
    });
  } finally {
    cleanup();
    stopReading();
    if (stdin.isTTY) stdin.setRawMode(wasRaw);
    stdin.pause();
  }
}
