/** A violated rule. */
export interface Violation {
  /** The checked file, or "archive: member". */
  readonly file: string;
  /** The rule, as a sentence that should be true for the file. */
  readonly rule: string;
  /** The actual state, and its consequence if it is not obvious. */
  readonly found: string;
}

/** Collects violations of one file. */
export type Complain = (rule: string, found: string) => void;
