/**
 * Lays out a pool from an inventory of disks. The rules are those of SmartOS, whose answers Triton's operators and CNAPI know.
 * Source: disklayout(8) of SmartOS, https://smartos.org/man/8/disklayout; fixtures/disklayout has answers of its program.
 */

import { defaultLayout } from "./default-layout.mjs";
import { diskGroups } from "./disk-groups.mjs";
import { LayoutError } from "./layout-error.mjs";
import { assignRoles } from "./roles.mjs";
import { divide } from "./vdevs.mjs";

/** With a fixed number of spares, these numbers of storage disks are refused: no raidz of a common width divides a prime. */
const PRIMES = [17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67];

/**
 * @param {readonly import("./disk-groups.mjs").Disk[]} disks
 * @param {object} [request]
 * @param {string} [request.layout] name of a layout. @default chosen by number, size and kind of the disks
 * @param {number} [request.spares] exactly so many spares. @default as many as the layout needs
 * @param {number} [request.width] disks of a vdev, at least 2. @default the narrowest that fits
 * @param {boolean} [request.cache] whether disks may become cache. @default true
 * @returns {object} vdevs, capacity in bytes, and if there are any: spares, logs, cache. Each disk is an object of name, vid, pid,
 *   size and solid_state.
 * @throws LayoutError if nothing fits the disks and the request
 */
export function layOut(disks, { layout, spares, width, cache = true } = {}) {
  const { storage, ...others } = assignRoles(diskGroups(disks), { cache });
  if (storage === undefined) throw new LayoutError("no primary storage disks available");
  if (spares !== undefined) checkSpares(spares, storage.length - spares);
  const request = { spares, width };
  const division = divide(layout ?? defaultLayout(storage, request), storage, request);
  return {
    vdevs: division.vdevs.map((vdev) =>
      vdev.devices === undefined ? described(vdev) : { type: vdev.type, devices: vdev.devices.map(described) },
    ),
    capacity: division.capacity,
    ...(division.spares !== undefined && { spares: division.spares.map(described) }),
    ...Object.fromEntries(Object.entries(others).map(([role, members]) => [role, members.map(described)])),
  };
}

function checkSpares(spares, stored) {
  if (spares > 0 && stored < 2) throw new LayoutError(`too many spares (${spares}) for this disk configuration`);
  if (PRIMES.includes(stored))
    throw new LayoutError(`invalid number of spares (${spares}) for this disk configuration`);
}

const described = ({ name, vid, pid, size, solid_state }) => ({ name, vid, pid, size, solid_state });
