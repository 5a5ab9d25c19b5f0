/** Runs work that only one process may do at a time, such as the set-up of a clone. */
import { tryClaim, waitForClaim } from "./kernel-claim.mjs";

/**
 * @template T
 * @param {string} subject path that the work changes, e.g. a clone's dist; the claim is the file `<subject>.lock`
 * @param {() => void} onWait called once if another process holds the claim
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 * @throws ClaimError
 */
export async function oneAtATime(subject, onWait, work) {
  const path = `${subject}.lock`;
  let claim = await tryClaim(path);
  if (claim === undefined) {
    onWait();
    claim = await waitForClaim(path);
  }
  try {
    return await work();
  } finally {
    claim.release();
  }
}
