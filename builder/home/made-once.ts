/**
 * What is made once and used by all: of two livelabs that need the same thing at the same time, one makes it and the
 * other waits. Side by side each would take twice as long for what one of them then throws away.
 */
import { join } from "node:path";
import type { Step } from "../../base/progress/progress.js";
import type { LivelabHome } from "./home.js";
import { describeOwner, OwnerLock } from "./owner.js";

/**
 * Takes the making of a thing, after the process that makes it now: look whether it is there before making it.
 * @param key what is made, as a file name
 * @throws BuilderError NO_LOCKS, NOT_WRITABLE; the signal's reason
 */
export function claimWork(home: LivelabHome, key: string, step: Step, signal?: AbortSignal): Promise<OwnerLock> {
  return OwnerLock.wait(
    join(home.locks, key),
    (owner) => step.status(`waiting for ${describeOwner(owner)} to finish the same work`),
    signal,
  );
}
