/** Limits of work in a builder machine, which grow with its slowness. */
import { limitSignal } from "../../base/wait-at-most.js";
import { overdue } from "../builder-error.js";

/**
 * A signal that aborts with `signal`, or at the limit with BuilderError OVERDUE.
 * @param nativeMs the limit in milliseconds of native speed @param what the work, in words
 */
export function limited(
  { signal, machines }: { readonly signal?: AbortSignal; readonly machines: { readonly timeScale: number } },
  nativeMs: number,
  what: string,
): AbortSignal {
  const limitMs = nativeMs * machines.timeScale;
  return limitSignal({ limitMs, signal, onLimit: overdue(what, limitMs) });
}
