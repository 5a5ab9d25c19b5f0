/**
 * Joins the user's terminal to a serial line: every key goes to the far side, except Ctrl-], which disconnects.
 * The console keeps reading the line for milestones meanwhile.
 */
import { enterRawMode } from "../../base/raw-mode.js";
import type { ByteLine } from "../../vm/serial/byte-line.js";

/** Ctrl-], as in telnet. */
const ESCAPE = 0x1d;

/**
 * How many keys may wait for a guest that reads none, in bytes: more than a paste has. Livelab reads on until then, so that Ctrl-]
 * works.
 */
const LONGEST_QUEUE = 2 ** 20;

/** The two ends of the caller's terminal. A pipe works, too, but then input arrives in whole lines. */
export interface CnTerminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WritableStream;
}

export interface JoinOptions {
  /** Settles when the far side has ended. */
  readonly ended: Promise<unknown>;
  readonly signal: AbortSignal;
}

/**
 * Joins until Ctrl-], the end of stdin, or the far side's end, and restores the terminal.
 * @throws the signal's reason when it is aborted
 */
export async function joinTerminal(
  line: Pick<ByteLine, "onData" | "write" | "closed">,
  { stdin, stdout }: CnTerminal,
  { ended, signal }: JoinOptions,
): Promise<void> {
  signal.throwIfAborted();
  const rawMode = enterRawMode(stdin);
  const stopReading = line.onData((chunk) => stdout.write(chunk));
  const done = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      let queued = 0;
      const send = async (typed: Buffer): Promise<void> => {
        queued += typed.length;
        if (queued > LONGEST_QUEUE) stdin.pause();
        await line.write(typed).catch(() => undefined); // a closed line settles `ended`, which ends the join
        queued -= typed.length;
        if (queued <= LONGEST_QUEUE && !done.signal.aborted) stdin.resume();
      };
      const onKeys = (keys: Buffer): void => {
        const left = keys.indexOf(ESCAPE);
        const typed = left === -1 ? keys : keys.subarray(0, left);
        if (typed.length > 0) void send(typed);
        if (left !== -1) resolve();
      };
      const onEnd = (): void => resolve();
      const onAbort = (): void => reject(signal.reason);
      stdin.on("data", onKeys);
      for (const event of ["end", "close"]) stdin.once(event, onEnd);
      signal.addEventListener("abort", onAbort, { signal: done.signal });
      done.signal.addEventListener("abort", () => {
        stdin.off("data", onKeys);
        for (const event of ["end", "close"]) stdin.off(event, onEnd);
      });
      void ended.then(onEnd);
      void line.closed.then(onEnd);
    });
  } finally {
    done.abort();
    stopReading();
    rawMode[Symbol.dispose]();
    stdin.pause();
  }
}
