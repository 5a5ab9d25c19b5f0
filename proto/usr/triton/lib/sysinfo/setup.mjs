/**
 * Whether this server is set up. CNAPI believes it at once, and setup then makes a pool on the disks by force: so a
 * system pool that is there and cannot be looked at must never look like a server without one.
 */

import { jsonObject } from "./parse.mjs";

/** @param {boolean} poolMembers whether a disk carries a ZFS label */
export function setUp({ host, configDir }, poolMembers) {
  // Left by early boot; its first line: imported NAME, none, noimport, destroyed NAME, or failed REASON.
  const [pool = ""] = (host.read("/run/triton/system-pool.state") ?? "").split("\n");
  if (/^failed\b/.test(pool)) {
    host.warn(`the system pool could not be imported (${pool}): taken as set up`);
    return true;
  }
  if (pool === "noimport" && poolMembers) {
    host.warn("no pool was imported (kernel argument noimport=true) and the disks belong to one: taken as set up");
    return true;
  }

  const text = host.read(`${configDir}/triton-setup-state.json`);
  if (text === undefined) return false;
  const state = jsonObject(text);
  if (state === undefined) host.warn(`${configDir}/triton-setup-state.json is not JSON: taken as not set up`);
  return state?.complete === true;
}
