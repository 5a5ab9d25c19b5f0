/** Time limits for work in a builder machine; a slower machine gets a longer limit. */
import { limitSignal } from "../../base/wait-at-most.js";
import { overdue } from "../builder-error.js";

/**
 * Returns a signal that aborts with `signal`, or at the limit with BuilderError OVERDUE.
 * @param nativeMs the limit at native speed, in milliseconds @param what the work, for the message
 */
export function limited(
  { signal, machines }: { readonly signal?: AbortSignal; readonly machines: { readonly timeScale: number } },
  nativeMs: number,
  what: string,
): AbortSignal {
  const limitMs = nativeMs * machines.timeScale;
  return limitSignal({ limitMs, signal, onLimit: overdue(what, limitMs) });
}
