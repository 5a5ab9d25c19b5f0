/** A signal for work that has a limit: when it is over, the error says what was not done. */
import { formatDuration } from "../../base/format.js";
import { BuilderError } from "../builder-error.js";

/** @param what what is to be done, in words @returns a signal that `signal` aborts, or the limit with BuilderError OVERDUE */
export function limitSignal(signal: AbortSignal | undefined, limitMs: number, what: string): AbortSignal {
  const limit = new AbortController();
  const overdue = (): void =>
    limit.abort(new BuilderError("OVERDUE", `${what} was not done within ${formatDuration(limitMs)}`));
  setTimeout(overdue, limitMs).unref();
  return signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
}

/** A limit that grows with the machine's slowness. @param limitMs in milliseconds at native speed @param what work that is limited, in words */
export const limited = (
  { signal, machines }: { readonly signal?: AbortSignal; readonly machines: { readonly timeScale: number } },
  limitMs: number,
  what: string,
): AbortSignal => limitSignal(signal, limitMs * machines.timeScale, what);
