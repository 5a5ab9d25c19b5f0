/**
 * What is made once and used by all: of two livelabs that need the same thing at the same time, one makes it and the
 * other waits. Side by side each would take twice as long for what one of them then throws away.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Step } from "../vm/progress.js";
import { BuilderError } from "./builder-error.js";
import type { LivelabHome } from "./home.js";
import { OwnerLock } from "./owner.js";

/** Time between two looks at a lock that another process holds, in milliseconds. */
const LOOK_AGAIN_MS = 500;

/**
 * Takes the making of a thing, waiting for whoever makes it now: look whether it is there before making it.
 * @param key what is made, as a file name @throws the signal's reason
 */
export async function claimMaking(
  home: LivelabHome,
  key: string,
  step: Step,
  signal?: AbortSignal,
): Promise<OwnerLock> {
  const path = join(home.locks, key);
  for (;;) {
    try {
      return await OwnerLock.take(path, "the same");
    } catch (error) {
      if (!(error instanceof BuilderError && error.code === "BUSY")) throw error;
      step.status(`waiting: ${error.message}`);
    }
    await sleep(LOOK_AGAIN_MS, undefined, { signal }).catch(() => signal?.throwIfAborted()); // not its AbortError
  }
}
