/** Chooses the layout of a pool whose owner asked for none, by number, size and kind of its storage disks. */

import { widestRaidz } from "./vdevs.mjs";

/** Above this size in bytes, resilvering takes so long that a second disk may fail meanwhile: raidz2 replaces mirrors. */
const LARGE_DISK = 1500e9;

/** Most disks in mirrors. */
const MOST_MIRRORED = 16;

/** Widths of a raidz2 vdev. One of them must divide the number of disks if the number of spares is fixed. */
const RAIDZ2_WIDTHS = [7, 8, 9, 10, 11, 12];

/**
 * @param {readonly import("./disk-groups.mjs").Disk[]} disks of about one size, sorted by size
 * @param {import("./vdevs.mjs").Request} request
 * @returns {string} a name of a layout. It may not fit the request; divide (vdevs.mjs) then says why.
 */
export function defaultLayout(disks, request) {
  const [{ size, solid_state: solidState }] = disks;
  const fixedSpares = request.spares !== undefined;
  const count = disks.length - (request.spares ?? 0);

  if (count === 1) return "single";
  if (count === 2) return "mirror";
  if (count <= 4) return "raidz1";
  if (count <= 6) return solidState || fixedSpares ? "raidz1" : "raidz2";
  if (request.width !== undefined) return layoutOfWidth(request.width);

  if (count > MOST_MIRRORED || (count > RAIDZ2_WIDTHS[0] && size > LARGE_DISK)) {
    if (!fixedSpares || RAIDZ2_WIDTHS.some((width) => count % width === 0)) return "raidz2";
    return count === 13 ? "raidz3" : "raidz1";
  }
  if (solidState && count < widestRaidz("raidz2")) return "raidz2";
  if (count % 2 === 0 || !fixedSpares) return "mirror";
  // Odd numbers of disks that must all be used: 15 is too wide for one vdev, 13 for one of raidz2.
  if (count === 15) return "raidz1";
  return count === 13 ? "raidz3" : "raidz2";
}

/** The layout with the least parity whose vdevs are so wide. */
function layoutOfWidth(width) {
  if (width <= 2) return "mirror";
  return ["raidz1", "raidz2"].find((layout) => width <= widestRaidz(layout)) ?? "raidz3";
}
