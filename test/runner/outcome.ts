/** What became of one thing that `npm test` ran: a file of tests, a check, or the boot scenarios. */
export interface Outcome {
  /** Source of the tests below the clone's root, or the name of the check. */
  readonly name: string;
  readonly passed: number;
  /** At least 1 when there is a problem. */
  readonly failed: number;
  /** Why it did not pass, a sentence each. Empty when it passed. */
  readonly problems: readonly string[];
  /** What the reader should know although it passed: the reasons of skipped tests. */
  readonly remarks: readonly string[];
  /** All that it printed; shown when it failed. */
  readonly output: string;
  readonly durationMs: number;
  /** How to run just this again. */
  readonly rerun: Rerun;
}

/** A shell command in two parts: what failed of the same command is run again by one line. */
export interface Rerun {
  /** E.g. "npm test --". */
  readonly command: string;
  /** E.g. a file of tests. They need no quotes. */
  readonly args: readonly string[];
}
