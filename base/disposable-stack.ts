/**
 * A stack of resources to dispose of, newest first: what Node 24 calls AsyncDisposableStack.
 * Remove this file when livelab requires Node 24.
 * Source: TC39 "Explicit Resource Management", AsyncDisposableStack.
 */
export class DisposableStack implements AsyncDisposable {
  #entries: (() => unknown)[] = [];

  /** Registers a disposable and returns it. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.#entries.push(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  /** Registers a function to call and await at the end. */
  defer(end: () => unknown): void {
    this.#entries.push(end);
  }

  /** Moves all entries to a new stack, so that disposing of this one ends nothing. */
  move(): DisposableStack {
    const moved = new DisposableStack();
    moved.#entries = this.#entries;
    this.#entries = [];
    return moved;
  }

  /** Disposes of all entries, newest first, even if one fails. @throws the first error, after the last entry */
  async [Symbol.asyncDispose](): Promise<void> {
    const entries = this.#entries.splice(0).reverse();
    const errors: unknown[] = [];
    for (const end of entries) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
