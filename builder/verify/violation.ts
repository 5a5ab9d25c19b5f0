/** A rule that something does not keep. */
export interface Violation {
  /** What was looked at: a file, or "archive: member". */
  readonly file: string;
  /** The rule, as a sentence that should be true of it. */
  readonly rule: string;
  /** What is there instead, and what comes of it. */
  readonly found: string;
}

/** Collects violations of one file. */
export type Complain = (rule: string, found: string) => void;
