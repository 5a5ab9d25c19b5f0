/** Limits for waits and signals: a wait ends with its result, at its limit or by a signal; a signal also aborts at a limit. */

import { startLimitTimer } from "./limit-timer.js";

export interface WaitLimits {
  /** Longest wait, in milliseconds, without the time in which livelab is stopped (Ctrl-Z). */
  readonly limitMs: number;
  /** Ends the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface FailingLimits extends WaitLimits {
  /** Makes the error at the limit. */
  readonly onLimit: () => Error;
}

/**
 * Waits for `work` within `limits`. Only the wait ends at a limit; the work continues.
 * Node's AbortSignal.timeout is not used: its timer does not keep the process alive.
 * @returns what the work returns; undefined at the limit if `onLimit` is left out
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
      const stopTimer = startLimitTimer(limitMs, () =>
        onLimit === undefined ? resolve(undefined) : reject(onLimit()),
      );
      const abort = () => reject(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      cleanup = () => {
        stopTimer();
        signal?.removeEventListener("abort", abort);
      };
      work.then(resolve, reject);
    });
  } finally {
    cleanup();
  }
}

/**
 * Returns a signal that aborts with `signal`, or at the limit with the error of `onLimit`.
 * Its timer does not keep the process alive; the work does.
 */
export function limitSignal({ limitMs, signal, onLimit }: FailingLimits): AbortSignal {
  const limit = new AbortController();
  startLimitTimer(limitMs, () => limit.abort(onLimit()), { isUnref: true });
  return signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
}
