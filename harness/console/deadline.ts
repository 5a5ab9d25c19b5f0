/** An end time shared by several waits. */
export class Deadline {
  readonly timeoutMs: number;
  readonly #endMs: number;

  /** @param timeoutMs milliseconds from now */
  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
    this.#endMs = performance.now() + timeoutMs;
  }

  /** Milliseconds left; 0 after the deadline. */
  get leftMs(): number {
    return Math.max(0, this.#endMs - performance.now());
  }

  get passed(): boolean {
    return this.leftMs === 0;
  }
}
