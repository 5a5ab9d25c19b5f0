/** Runs a tool of a check and keeps its output. */
import { type ProgramError, runProgram as run } from "../../base/run-program.js";

export interface ProgramResult {
  /** Exit status; undefined if it did not start, or reached its limit. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** Stdout and stderr, and the reason if it has no exit status. */
  readonly output: string;
}

/** Longest run of a tool, in milliseconds. */
const TIMEOUT_MS = 120_000;

/** Never rejects. @param argv program and arguments */
export async function runProgram(
  [program, ...args]: readonly [string, ...string[]],
  cwd: string,
): Promise<ProgramResult> {
  const { status, stdout, stderr, message } = await run(program, args, { cwd, limitMs: TIMEOUT_MS }).then(
    (output) => ({ ...output, status: 0, message: "" }),
    (error: ProgramError) => error,
  );
  const output = status === undefined ? [stdout, message] : [stdout, stderr];
  const printed = output.map((text) => text.trim()).filter(Boolean);
  return { code: status, stdout, output: printed.join("\n") };
}
