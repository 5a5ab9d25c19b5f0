/** Lets one process at a time do a piece of work, such as the set-up of one clone. */
import { tryClaim, waitForClaim } from "./kernel-claim.mjs";

/**
 * @template T
 * @param {string} subject path of what is claimed, e.g. a clone's dist; the claim is the file `<subject>.lock`
 * @param {() => void} onWait called once when another process holds the claim
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
