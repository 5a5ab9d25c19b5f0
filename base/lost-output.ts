/**
 * Keeps a program on its feet when its output cannot be written: a reader that is gone, a full disk, a dead terminal.
 * Without a listener each is an uncaught exception, which ends the process before machines and folders are cleaned up.
 * What is lost on stderr changes nothing: results go to stdout, and the exit status says how the work ended.
 * Source: Node's "process I/O"; pipe(7), "EPIPE"; write(2).
 */
import { refusalReason } from "./system-error.js";

/** Stdout takes no more. */
export class OutputLost extends Error {
  override readonly name = "OutputLost";
  /** Whether its reader has had enough (EPIPE), as in `livelab … | head`; otherwise the write failed. */
  readonly readerGone: boolean;

  constructor(cause: NodeJS.ErrnoException) {
    super(`cannot write to standard output: ${refusalReason(cause) ?? cause.message}`, { cause });
    this.readerGone = cause.code === "EPIPE";
  }
}

/** Exit status of a program whose reader left before the work was done: that of SIGPIPE, as shells have it. */
export const READER_GONE_STATUS = 141;

/** Exit status when results could not be written though the work succeeded: the host's fault, as elsewhere in livelab. */
const NOT_WRITTEN_STATUS = 3;

export interface WatchOutputOptions {
  /** Begins the message on stderr, e.g. "livelab". */
  readonly program: string;
  /** Called once, when stdout takes no more: work that only feeds stdout can stop. @default the work goes on */
  readonly onLost?: (error: OutputLost) => void;
}

/** Watches stdout and stderr of this process from now on. Call it once, before the first write. */
export function watchOutput({ program, onLost }: WatchOutputOptions): void {
  let lost: OutputLost | undefined;
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (lost !== undefined) return;
    lost = new OutputLost(error);
    if (!lost.readerGone) {
      process.stderr.write(`${program}: ${lost.message}\n${program}: try: free some space there, or write elsewhere\n`);
    }
    onLost?.(lost);
  });
  process.once("exit", (status) => {
    if (status === 0 && lost?.readerGone === false) process.exitCode = NOT_WRITTEN_STATUS;
  });
}
