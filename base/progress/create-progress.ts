/** Chooses the form of progress: redrawn steps on a capable terminal, dated lines everywhere else. */
import type { Progress } from "./progress.js";
import { createProgressLines } from "./progress-lines.js";
import { createProgressTerminal } from "./progress-terminal.js";

export interface CreateProgressOptions {
  /** The time in milliseconds since 1970. @default a clock that never runs backwards */
  readonly now?: () => number;
  /** Environment whose TERM, NO_COLOR and CI may ask for plain lines. @default every terminal is redrawn */
  readonly env?: NodeJS.ProcessEnv;
}

/** Smallest terminal on which steps are redrawn. A terminal without a set size reports 0 by 0. */
const LEAST_COLUMNS = 40;
const LEAST_ROWS = 4;

/** @param stderr where progress goes: process.stderr, or a stand-in for it */
export function createProgress(stderr: NodeJS.WriteStream, { now, env }: CreateProgressOptions = {}): Progress {
  const clock = now ?? (() => performance.timeOrigin + performance.now());
  if (canRedraw(stderr) && (env === undefined || wantsRedrawing(env))) return createProgressTerminal(stderr, clock);
  return createProgressLines({ writeLine: (line) => stderr.write(`${line}\n`), now: clock });
}

const canRedraw = ({ isTTY, columns, rows }: NodeJS.WriteStream): boolean =>
  isTTY && columns >= LEAST_COLUMNS && rows >= LEAST_ROWS;

/** Sources: terminfo(5) for TERM; no-color.org; CI is set by the services that run builds. */
function wantsRedrawing({ TERM = "", NO_COLOR = "", CI = "" }: NodeJS.ProcessEnv): boolean {
  const isCi = CI !== "" && CI !== "0" && CI !== "false";
  return TERM !== "" && TERM !== "dumb" && TERM !== "unknown" && NO_COLOR === "" && !isCi;
}
