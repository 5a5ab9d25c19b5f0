/** The loop of `livelab watch`: work that begins anew each time its inputs change. */
import { setTimeout as sleep } from "node:timers/promises";
import { describeChanges, type InputState } from "../builder/build-inputs.js";

export interface WatchLoop {
  /** Reads the state of the inputs. */
  readonly readInputs: () => Promise<InputState>;
  /** Does the work once. It must end soon after its signal is aborted. */
  readonly round: (signal: AbortSignal) => Promise<void>;
  /** Reports a round that failed; the loop goes on. A round that was stopped is not reported. */
  readonly onError: (error: unknown) => void;
  /** Receives one line when a round begins because of a change, and one when a round has ended. */
  readonly note: (text: string) => void;
  /** Ends the loop. */
  readonly signal: AbortSignal;
  /** Time between two looks at the inputs, in milliseconds. A change counts when two looks agree. @default 300 */
  readonly pollMs?: number;
}

/** How many changes a line names. */
const MOST_NAMED = 3;

/**
 * Runs rounds until the signal is aborted: the first at once, each other when the inputs have changed. A change stops the
 * round that is running, and the next begins when it has ended.
 * @throws the signal's reason, after the round has ended; errors of readInputs()
 */
export async function watchInputs(loop: WatchLoop): Promise<never> {
  const { readInputs, round, onError, note, signal } = loop;
  let state = await readInputs();
  for (;;) {
    signal.throwIfAborted();
    const stopping = new AbortController();
    const stop = (): void => stopping.abort(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    let isRunning = true;
    const running = round(stopping.signal)
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) onError(error);
      })
      .then(() => {
        isRunning = false;
        if (!stopping.signal.aborted) note("waiting for a change");
      });
    try {
      const next = await nextState(loop, state);
      note(`${nameChanges(describeChanges(state, next))}${isRunning ? "; stopping the current round" : ""}`);
      state = next;
      stopping.abort(new Error("a newer change overtook it"));
    } finally {
      stopping.abort(); // after an error of readInputs()
      signal.removeEventListener("abort", stop);
      await running;
    }
  }
}

/** Waits until the inputs differ from `state` and have come to rest. */
async function nextState({ readInputs, signal, pollMs = 300 }: WatchLoop, state: InputState): Promise<InputState> {
  for (let last = state; ; ) {
    await sleep(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    const now = await readInputs();
    const rests = describeChanges(last, now).length === 0;
    if (rests && describeChanges(state, now).length > 0) return now;
    last = now;
  }
}

const nameChanges = (changes: readonly string[]): string =>
  [
    ...changes.slice(0, MOST_NAMED),
    ...(changes.length > MOST_NAMED ? [`${changes.length - MOST_NAMED} more files`] : []),
  ].join(", ");
