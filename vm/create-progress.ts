/** Chooses how progress looks: redrawn steps on a terminal, dated lines everywhere else. */
import type { Progress } from "./progress.js";
import { createProgressLines } from "./progress-lines.js";
import { createProgressTerminal } from "./progress-terminal.js";

export interface CreateProgressOptions {
  /** The time in milliseconds since 1970. @default a clock that never runs backwards */
  readonly now?: () => number;
}

/** @param stderr where progress goes: process.stderr, or a stand-in for it */
export function createProgress(stderr: NodeJS.WriteStream, options: CreateProgressOptions = {}): Progress {
  const now = options.now ?? (() => performance.timeOrigin + performance.now());
  if (stderr.isTTY) return createProgressTerminal(stderr, now);
  return createProgressLines({ writeLine: (line) => stderr.write(`${line}\n`), now });
}
