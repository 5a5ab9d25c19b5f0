/** A check of the tree that counts as one test. */
import type { Outcome, Rerun } from "./outcome.js";

/** `npm test -- --checks` runs all that need no image. */
const ALL_CHECKS: Rerun = { command: "npm test --", args: ["--checks"] };

export interface Check {
  /** What is claimed of the tree; a sentence that can be false. */
  readonly name: string;
  /** @returns what speaks against it, with file and remedy; nothing when it holds. @param root the clone */
  problems(root: string): Promise<readonly string[]>;
  /** @default ALL_CHECKS */
  readonly rerun?: Rerun;
}

export async function runCheck(check: Check, root: string): Promise<Outcome> {
  const startedAt = performance.now();
  const problems = await check.problems(root).catch((error: unknown) => [`the check broke: ${String(error)}`]);
  const passed = problems.length === 0;
  return {
    name: check.name,
    passed: passed ? 1 : 0,
    failed: passed ? 0 : 1,
    problems,
    remarks: [],
    output: "",
    durationMs: performance.now() - startedAt,
    rerun: check.rerun ?? ALL_CHECKS,
  };
}
