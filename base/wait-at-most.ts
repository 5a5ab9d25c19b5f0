/** Limits: a wait that ends by its result, at its limit, or by a signal; and a signal that also aborts at a limit. */

export interface WaitLimits {
  /** Longest wait, in milliseconds. */
  readonly limitMs: number;
  /** Ends the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface FailingLimits extends WaitLimits {
  /** Makes the error at the limit. */
  readonly onLimit: () => Error;
}

/**
 * Waits for `work` within `limits`. The work itself goes on; only the wait ends.
 * Node's AbortSignal.timeout is not used: its timer does not keep the process alive.
 * @returns what the work returns; undefined at the limit when `onLimit` is left out
 */
export function waitAtMost<T>(work: PromiseLike<T>, limits: FailingLimits): Promise<T>;
export function waitAtMost<T>(work: PromiseLike<T>, limits: WaitLimits): Promise<T | undefined>;
export async function waitAtMost<T>(
  work: PromiseLike<T>,
  { limitMs, signal, onLimit }: WaitLimits & Partial<FailingLimits>,
): Promise<T | undefined> {
  if (signal?.aborted) {
    work.then(undefined, () => undefined); // no caller is left to handle its failure
    throw signal.reason;
  }
  let cleanup = () => {};
  try {
    return await new Promise<T | undefined>((resolve, reject) => {
      const timer = setTimeout(() => (onLimit === undefined ? resolve(undefined) : reject(onLimit())), limitMs);
      const abort = () => reject(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      cleanup = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      work.then(resolve, reject);
    });
  } finally {
    cleanup();
  }
}

/**
 * A signal for work that takes one: it aborts with `signal`, or at the limit with the error of `onLimit`.
 * Its timer does not keep the process alive: the work does.
 */
export function limitSignal({ limitMs, signal, onLimit }: FailingLimits): AbortSignal {
  const limit = new AbortController();
  setTimeout(() => limit.abort(onLimit()), limitMs).unref();
  return signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
}
