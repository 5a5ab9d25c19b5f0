/**
 * The base of every error that livelab throws on purpose.
 * A subclass an area (VmError, InputError, …), a code a cause, a hint where the reader can act.
 * cli/exit-status.ts maps `kind` to exit statuses.
 */

/**
 * Whose matter a failure is:
 * - `usage`: the command line or a file given on it (exit 2)
 * - `host`: something this host lacks or forbids (exit 3)
 * - `inputs`: digest, mirror or lock (exit 4)
 * - `stage`: a stage of the build failed (exit 5)
 * - `expectation`: what was tested did not do what it should (exit 1)
 * - `internal`: a defect of livelab (exit 70)
 */
export type FailureKind = "usage" | "host" | "inputs" | "stage" | "expectation" | "internal";

export interface LivelabErrorOptions {
  /** What the reader can do about it: one sentence or one command. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

export abstract class LivelabError extends Error {
  abstract readonly kind: FailureKind;
  abstract readonly code: string;
  readonly hint: string | undefined;

  constructor(message: string, options: LivelabErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}

/** The command line, or a file named on it, is not what livelab can work with. */
export class UsageError extends LivelabError {
  override readonly name = "UsageError";
  override readonly kind = "usage";
  readonly code: string;

  constructor(code: string, message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

/** The host lacks something that every part of livelab needs. */
export class HostError extends LivelabError {
  override readonly name = "HostError";
  override readonly kind = "host";
  readonly code: string;

  constructor(code: string, message: string, options: LivelabErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}
