/**
 * The two families of harness failures: the guest did not do what a test claims (ExpectationFailed), and everything else
 * (HarnessError). Reports and exit codes distinguish them.
 */
import { type FailureKind, LivelabError, type LivelabErrorOptions } from "../base/livelab-error.js";

/** Failures that are not the guest's fault, each with the kind that sets the exit code. */
const harnessErrorKinds = {
  /** A log or report file could not be opened. */
  LOG_NOT_WRITABLE: "host",
  /** The serial line loses or garbles so much that no frame gets through. */
  LINE_TOO_NOISY: "host",
  /** A command printed more than the serial shell carries. */
  OUTPUT_TOO_LARGE: "usage",
  /** A call is not allowed in the current state, e.g. two commands at once on one serial shell. */
  MISUSE: "internal",
} as const satisfies Record<string, Exclude<FailureKind, "expectation">>;

export type HarnessErrorCode = keyof typeof harnessErrorKinds;

/** The harness, the host or the input is at fault, not the guest under test. */
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
 * - `TIMED_OUT`: the awaited output did not arrive within its limit
 * - `CONSOLE_ENDED`: the console closed, so the machine or its line is gone
 * - `FATAL_SIGN`: the guest reported that it cannot go on (panic, emergency shell, …)
 * - `LOGIN_REFUSED`: getty refused the login
 * - `COMMAND_TIMED_OUT`: a command in the guest did not end within its limit
 * - `COMMAND_FAILED`: a command in the guest ended with an unexpected status
 * - `WRONG_VALUE`: a value in the guest differs from the claimed one
 */
export type ExpectationCode =
  | "TIMED_OUT"
  | "CONSOLE_ENDED"
  | "FATAL_SIGN"
  | "LOGIN_REFUSED"
  | "COMMAND_TIMED_OUT"
  | "COMMAND_FAILED"
  | "WRONG_VALUE";

/** The guest did not do what a test claims. */
export class ExpectationFailed extends LivelabError {
  override readonly name = "ExpectationFailed";
  override readonly kind = "expectation";
  override readonly code: ExpectationCode;

  constructor(code: ExpectationCode, message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}
