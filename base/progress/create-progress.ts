/** Chooses how progress looks: redrawn steps on a terminal that can, dated lines everywhere else. */
import type { Progress } from "./progress.js";
import { createProgressLines } from "./progress-lines.js";
import { createProgressTerminal } from "./progress-terminal.js";

export interface CreateProgressOptions {
  /** The time in milliseconds since 1970. @default a clock that never runs backwards */
  readonly now?: () => number;
  /** Where TERM, NO_COLOR and CI say what the terminal can show and its user wants. @default any terminal is redrawn */
  readonly env?: NodeJS.ProcessEnv;
}

/** Smallest terminal that steps are redrawn on. Terminals that were never given a size say 0 by 0. */
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
