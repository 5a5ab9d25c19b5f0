/**
 * Separates the error of a body from those of the disposers that failed after it.
 * Source: TC39 "Explicit Resource Management": `await using` throws a SuppressedError then, whose `suppressed` is the error
 * that came before, and whose `error` is the disposer's.
 */

/** The error that says what happened; `error` itself when no disposer failed after it. */
export const firstError = (error: unknown): unknown => (isSuppressed(error) ? firstError(error.suppressed) : error);

/** The errors of disposers that failed after the first error, in the order in which they came. */
export const laterErrors = (error: unknown): readonly unknown[] =>
  isSuppressed(error) ? [...laterErrors(error.suppressed), error.error] : [];

const isSuppressed = (error: unknown): error is Error & { readonly suppressed: unknown; readonly error: unknown } =>
  error instanceof Error && error.name === "SuppressedError" && "suppressed" in error;
