/**
 * Runs work once for several callers that need it at the same time. The work is aborted when all callers have given up.
 * The result is not kept: a caller that comes after the end starts the work again.
 */
export class SharedWork<T> {
  readonly #runs = new Map<string, Run<T>>();

  /**
   * Joins the work of this key, or starts it.
   * @param start gets a signal that is aborted when no caller waits any more
   * @throws what the work throws; the signal's reason when it is aborted. For the last caller that is after the work has ended
   */
  async do(key: string, signal: AbortSignal, start: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const run = this.#runs.get(key) ?? this.#begin(key, start);
    run.waiting += 1;
    let leave = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => {
        run.waiting -= 1;
        if (run.waiting > 0) return reject(signal.reason);
        if (this.#runs.get(key) === run) this.#runs.delete(key);
        run.controller.abort(signal.reason);
        run.work.then(() => reject(signal.reason), reject);
      };
    });
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([run.work, left]);
    } finally {
      signal.removeEventListener("abort", leave);
      if (!signal.aborted) run.waiting -= 1;
    }
  }

  #begin(key: string, start: (signal: AbortSignal) => Promise<T>): Run<T> {
    const controller = new AbortController();
    const run: Run<T> = { controller, waiting: 0, work: start(controller.signal) };
    this.#runs.set(key, run);
    const forget = (): void => {
      if (this.#runs.get(key) === run) this.#runs.delete(key);
    };
    run.work.then(forget, forget);
    return run;
  }
}

interface Run<T> {
  readonly controller: AbortController;
  readonly work: Promise<T>;
  waiting: number;
}
