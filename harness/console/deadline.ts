/** A point in time that several waits share. */
export class Deadline {
  readonly timeoutMs: number;
  readonly #endMs: number;

  /** @param timeoutMs milliseconds from now */
  constructor(timeoutMs: number) {
    this.timeoutMs = timeoutMs;
    this.#endMs = performance.now() + timeoutMs;
  }

  /** Milliseconds left; 0 when it has passed. */
  get leftMs(): number {
    return Math.max(0, this.#endMs - performance.now());
  }

  get passed(): boolean {
    return this.leftMs === 0;
  }
}
