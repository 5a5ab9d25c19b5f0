/**
 * Determines whether this server is set up. CNAPI relies on the answer, and setup then creates a pool on the disks by force.
 * Therefore a server with an unreadable system pool must never look like a server without one.
 */

import { jsonObject } from "./parse.mjs";

/** @param {boolean} poolMembers whether a disk has a ZFS label, which may be that of a destroyed pool */
export async function setUp({ host, configDir }, poolMembers) {
  // Early boot writes this file. Its first line: imported NAME, none, noimport, destroyed NAME, or failed REASON.
  const [pool = ""] = (host.read("/run/triton/system-pool.state") ?? "").split("\n");
  if (/^failed\b/.test(pool)) {
    host.warn(`cannot read the system pool (${pool}); reporting the server as set up`);
    return true;
  }
  if (pool === "noimport" && poolMembers) {
    host.warn(
      "the disks belong to a pool that noimport=true keeps from being imported; reporting the server as set up",
    );
    return true;
  }
  // Early boot waits for disks for a limited time only; some may have appeared since then.
  if (pool === "none" && poolMembers) {
    const [, late] = /^ {3}pool: (.*)$/m.exec((await host.run("/usr/sbin/zpool", "import")) ?? "") ?? [];
    if (late !== undefined) {
      host.warn(
        `the disks of pool ${late} appeared after early boot; reporting the server as set up: reboot to import it`,
      );
      return true;
    }
  }

  const text = host.read(`${configDir}/triton-setup-state.json`);
  if (text === undefined) return false;
  const state = jsonObject(text);
  if (state === undefined) {
    host.warn(`${configDir}/triton-setup-state.json is not JSON; reporting the server as set up`);
    return true;
  }
  return state.complete === true;
}
