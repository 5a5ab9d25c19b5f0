/**
 * Separates the error of a body from those of the disposers that failed after it.
 * Source: TC39 "Explicit Resource Management": `await using` then throws a SuppressedError. Its `suppressed` is the earlier
 * error, and its `error` is the disposer's.
 */

/** Returns the error that came first; `error` itself if no disposer failed after it. */
export const firstError = (error: unknown): unknown => (isSuppressed(error) ? firstError(error.suppressed) : error);

/** Returns the errors of disposers that failed after the first error, in order. */
export const laterErrors = (error: unknown): readonly unknown[] =>
  isSuppressed(error) ? [...laterErrors(error.suppressed), error.error] : [];

const isSuppressed = (error: unknown): error is Error & { readonly suppressed: unknown; readonly error: unknown } =>
  error instanceof Error && error.name === "SuppressedError" && "suppressed" in error;
