/**
 * Keeps a program running when its output cannot be written: the reader has exited, the disk is full, the terminal is closed.
 * Without a listener, each of these is an uncaught exception, which ends the process before it cleans up machines and folders.
 * Lost output on stderr changes nothing: results go to stdout, and the exit status says how the work ended.
 * Source: Node's "process I/O"; pipe(7), "EPIPE"; write(2).
 */
import { refusalReason } from "./system-error.js";

/** Stdout can no longer be written. */
export class OutputLost extends Error {
  override readonly name = "OutputLost";
  /** Whether its reader has exited (EPIPE), as in `livelab … | head`; otherwise the write failed. */
  readonly readerGone: boolean;

  constructor(cause: NodeJS.ErrnoException) {
    super(`cannot write to standard output: ${refusalReason(cause) ?? cause.message}`, { cause });
    this.readerGone = cause.code === "EPIPE";
  }
}

/** Exit status of a program whose reader exited before the work was done: that of SIGPIPE, as in shells. */
export const READER_GONE_STATUS = 141;

/** Exit status when the work succeeded but its results could not be written: that of cli/exit-status.ts for the host. */
const NOT_WRITTEN_STATUS = 3;

export interface WatchOutputOptions {
  /** Prefix of the message on stderr, e.g. "livelab". */
  readonly program: string;
  /** Called once, when stdout can no longer be written: work that only writes there can stop. @default the work continues */
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
