/** Waits for a child process, and ends it at a limit or by a signal. */
import type { ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { formatDuration } from "../../base/format.js";

export interface StopLimits {
  /** Longest run, in milliseconds. Then the child gets SIGTERM, and SIGKILL after the grace time. */
  readonly timeoutMs: number;
  /** Time between SIGTERM and SIGKILL, in milliseconds. */
  readonly graceMs: number;
  /** Ends the run before its limit, e.g. on Ctrl-C. */
  readonly signal?: AbortSignal | undefined;
}

/** `code`: the child's exit status; `reason`: why it has none, in words; `error`: why it did not start. */
export type ChildEnd = { readonly code: number } | { readonly reason: string; readonly error?: Error };

/** Never rejects. @param kill sends a signal to the child, or to its process group */
export async function stopAtLimit(
  child: ChildProcess,
  kill: (name: "SIGTERM" | "SIGKILL") => void,
  { timeoutMs, graceMs, signal }: StopLimits,
): Promise<ChildEnd> {
  const ended = new Promise<ChildEnd>((resolve) => {
    child.once("error", (error) => resolve({ reason: `was ended by ${error.message}`, error }));
    child.once("exit", (code, by) => resolve(code === null ? { reason: `was ended by ${by ?? ""}` } : { code }));
  });
  const limit = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]);
  const stopped = new Promise<"stopped">((resolve) => {
    if (limit.aborted) resolve("stopped");
    else limit.addEventListener("abort", () => resolve("stopped"), { once: true });
  });
  const first = await Promise.race([ended, stopped]);
  if (first !== "stopped") return first;
  kill("SIGTERM");
  await Promise.race([ended, sleep(graceMs, undefined, { ref: false })]);
  kill("SIGKILL");
  await ended;
  return { reason: signal?.aborted === true ? "was interrupted" : `did not end in ${formatDuration(timeoutMs)}` };
}
