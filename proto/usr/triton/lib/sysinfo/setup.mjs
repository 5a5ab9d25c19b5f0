/**
 * Whether this server is set up. CNAPI believes it at once, and setup then makes a pool on the disks by force: so a
 * system pool that is there and cannot be looked at must never look like a server without one.
 */

import { jsonObject } from "./parse.mjs";

/** @param {boolean} poolMembers whether a disk carries a ZFS label, be it that of a pool that was destroyed */
export async function setUp({ host, configDir }, poolMembers) {
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
  // Early boot waits for disks no longer than it must: some may have come since.
  if (pool === "none" && poolMembers) {
    const [, late] = /^ {3}pool: (.*)$/m.exec((await host.run("/usr/sbin/zpool", "import")) ?? "") ?? [];
    if (late !== undefined) {
      host.warn(`the disks of pool ${late} came after early boot had looked for them: taken as set up; reboot`);
      return true;
    }
  }

  const text = host.read(`${configDir}/triton-setup-state.json`);
  if (text === undefined) return false;
  const state = jsonObject(text);
  if (state === undefined) {
    host.warn(`${configDir}/triton-setup-state.json is not JSON: taken as set up`);
    return true;
  }
  return state.complete === true;
}
