/** A pool that cannot be created: its description is unusable, or zpool refused it. The message is one line. */
export class PoolError extends Error {
  name = "PoolError";
}
