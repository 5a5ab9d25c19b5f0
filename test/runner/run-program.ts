/** Runs a tool that a check needs and keeps what it prints. */
import { execFile } from "node:child_process";

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
export function runProgram(argv: readonly [string, ...string[]], cwd: string): Promise<ProgramResult> {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    execFile(program, args, { cwd, timeout: TIMEOUT_MS, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      const ended = typeof code === "number";
      const reason = ended || error === null ? "" : error.message;
      resolve({
        code: ended ? code : undefined,
        stdout,
        output: [stdout, stderr, reason]
          .map((text) => text.trim())
          .filter(Boolean)
          .join("\n"),
      });
    });
  });
}
