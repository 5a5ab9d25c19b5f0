/** What became of one thing that `npm test` ran: a file of tests, a check, or the boot scenarios. */
export interface Outcome {
  /** Path below dist/, or the name of the check. */
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
}
