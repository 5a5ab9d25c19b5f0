/** A wait that ends: by its result, by its limit, or by a signal. */

export interface WaitLimits {
  /** Longest wait, in milliseconds. */
  readonly limitMs: number;
  /** Ends the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Makes the error for a wait that reached its limit. */
  readonly onLimit: () => Error;
}

/**
 * Waits for `work` within `limits`. The work itself goes on; only the wait ends.
 * Node's AbortSignal.timeout is not used: its timer does not keep the process alive.
 */
export async function waitAtMost<T>(work: PromiseLike<T>, limits: WaitLimits): Promise<T> {
  const { limitMs, signal, onLimit } = limits;
  if (signal?.aborted) {
    work.then(undefined, () => undefined); // nobody waits for it any more, so nobody else handles its failure
    throw signal.reason;
  }
  let cease = () => {};
  try {
    return await new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => reject(onLimit()), limitMs);
      const abort = () => reject(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      cease = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      work.then(resolve, reject);
    });
  } finally {
    cease();
  }
}
