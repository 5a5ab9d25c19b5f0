/**
 * The timer of a limit. It does not count the time in which livelab was stopped, as by Ctrl-Z: after fg, what livelab waits for has
 * made no progress either, or has an answer that livelab must read first.
 */

/** The timer runs in steps, in milliseconds. A stop counts as one step at most. */
const STEP_MS = 1_000;

/**
 * Calls `onLimit` once, after `limitMs` milliseconds in which livelab runs.
 * @param isUnref whether the timer lets the process end. @default false
 * @returns a function that ends the timer
 */
export function startLimitTimer(limitMs: number, onLimit: () => void, { isUnref = false } = {}): () => void {
  let leftMs = limitMs;
  let timer: NodeJS.Timeout;
  const step = (): void => {
    const stepMs = Math.min(leftMs, STEP_MS);
    leftMs -= stepMs;
    timer = setTimeout(leftMs > 0 ? step : onLimit, stepMs);
    if (isUnref) timer.unref();
  };
  step();
  return () => clearTimeout(timer);
}
