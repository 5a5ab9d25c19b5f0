/** The outcome of one item that `npm test` ran: a test file, a check, or the boot scenarios. */
export interface Outcome {
  /** Path of the test file's source in the clone, or the name of the check. */
  readonly name: string;
  readonly passed: number;
  /** At least 1 when there is a problem. */
  readonly failed: number;
  /** Why it did not pass, one sentence each. Empty if it passed. */
  readonly problems: readonly string[];
  /** Remarks on an item that passed: the reasons of skipped tests. */
  readonly remarks: readonly string[];
  /** Its whole output; shown if it failed. */
  readonly output: string;
  readonly durationMs: number;
  /** How to run only this item again. */
  readonly rerun: Rerun;
}

/** A shell command in two parts: items with the same command are run again by one line. */
export interface Rerun {
  /** E.g. "npm test --". */
  readonly command: string;
  /** E.g. a test file. They need no quotes. */
  readonly args: readonly string[];
}
