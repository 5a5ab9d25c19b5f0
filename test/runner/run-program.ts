/** Runs a tool that a check needs and keeps what it prints. */
import { type ProgramError, runProgram as run } from "../../base/run-program.js";

export interface ProgramResult {
  /** Exit status; undefined when it did not start, or was ended at its limit. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** Stdout and stderr, and why it has no exit status. */
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
