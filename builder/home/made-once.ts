/**
 * Work that one process does for all: if two livelabs need the same result at the same time, one makes it and the other
 * waits. In parallel each would take twice as long, and one result would be thrown away.
 */
import { join } from "node:path";
import type { Step } from "../../base/progress/progress.js";
import type { LivelabHome } from "./home.js";
import { describeOwner, OwnerLock } from "./owner.js";

/**
 * Claims the work, after waiting for another process that does it now. Callers check afterwards whether the result exists.
 * @param key identifies the work; must be a valid file name
 * @throws BuilderError NO_LOCKS, NOT_WRITABLE; the signal's reason
 */
export function claimWork(home: LivelabHome, key: string, step: Step, signal?: AbortSignal): Promise<OwnerLock> {
  return OwnerLock.wait(
    join(home.locks, key),
    (owner) => step.status(`waiting for ${describeOwner(owner)} to finish the same work`),
    signal,
  );
}
