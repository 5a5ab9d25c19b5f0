/**
 * The two families of the harness's failures: the guest did not do what is claimed, and everything else.
 * Reports and exit codes tell them apart (style.md, rule 12).
 */
import { type FailureKind, LivelabError, type LivelabErrorOptions } from "../base/livelab-error.js";

/** Causes on our side of the line, and whose matter each is. */
const harnessErrorKinds = {
  /** A log or report file could not be opened. */
  LOG_NOT_WRITABLE: "host",
  /** The serial line loses or garbles so much that no frame comes through. */
  LINE_TOO_NOISY: "host",
  /** A command's output is more than the serial line is meant to carry. */
  OUTPUT_TOO_LARGE: "usage",
  /** A call that makes no sense in this state, e.g. two commands at once on one serial shell. */
  MISUSE: "internal",
} as const satisfies Record<string, Exclude<FailureKind, "expectation">>;

export type HarnessErrorCode = keyof typeof harnessErrorKinds;

/** The harness, the host or what was handed in is at fault, not the guest under test. */
export class HarnessError extends LivelabError {
  override readonly name = "HarnessError";
  override readonly kind: FailureKind;
  override readonly code: HarnessErrorCode;

  constructor(code: HarnessErrorCode, message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.kind = harnessErrorKinds[code];
  }
}

/**
 * - `TIMED_OUT`: what was awaited did not come within its limit
 * - `CONSOLE_ENDED`: the console closed, so the machine or its line is gone
 * - `FATAL_SIGN`: the guest said itself that it cannot go on (panic, emergency shell, …)
 * - `LOGIN_REFUSED`: the getty did not let us in
 * - `COMMAND_TIMED_OUT`: a command in the guest did not end within its limit
 * - `COMMAND_FAILED`: a command in the guest ended with another status than it should
 * - `WRONG_VALUE`: the guest has another value than is claimed
 */
export type ExpectationCode =
  | "TIMED_OUT"
  | "CONSOLE_ENDED"
  | "FATAL_SIGN"
  | "LOGIN_REFUSED"
  | "COMMAND_TIMED_OUT"
  | "COMMAND_FAILED"
  | "WRONG_VALUE";

/** The guest did not do what is claimed of it. */
export class ExpectationFailed extends LivelabError {
  override readonly name = "ExpectationFailed";
  override readonly kind = "expectation";
  override readonly code: ExpectationCode;

  constructor(code: ExpectationCode, message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}
