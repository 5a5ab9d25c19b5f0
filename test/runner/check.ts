/** A check of the tree that counts as one test. */
import type { Outcome, Rerun } from "./outcome.js";

/** `npm test -- --checks` runs all checks that need no image. */
const ALL_CHECKS: Rerun = { command: "npm test --", args: ["--checks"] };

export interface Check {
  /** A claim about the tree: a sentence that can be false. */
  readonly name: string;
  /** @param root the clone @returns the violations, with file and remedy; empty if the claim is true */
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
