/** Sorts disks into groups of one kind and about one size, each of which gets one role in the pool (roles.mjs). */

import { sizeClass } from "./size-class.mjs";

/** Groups whose sizes differ by less than this fraction are one group. */
const MERGE_TOLERANCE = 0.05;

/**
 * @typedef {object} Disk
 * @property {string} type bus, e.g. "SATA"
 * @property {string} name the kernel's name, e.g. "sda"
 * @property {string} vid vendor
 * @property {string} pid product
 * @property {number} size in bytes
 * @property {boolean} removable
 * @property {boolean} solid_state
 *
 * @typedef {object} DiskGroup
 * @property {boolean} solidState
 * @property {readonly Disk[]} disks sorted by size, then by name
 */

/**
 * @param {readonly Disk[]} disks removable and tiny ones are left out
 * @returns {DiskGroup[]} groups in the order of their first disks
 */
export function diskGroups(disks) {
  const groups = new Map();
  for (const disk of disks) {
    const size = sizeClass(disk.size);
    if (disk.removable || size === 0) continue;
    const key = JSON.stringify([disk.type, size, disk.solid_state]);
    if (!groups.has(key)) groups.set(key, { size, solidState: disk.solid_state, disks: [] });
    groups.get(key).disks.push(disk);
  }
  return merged([...groups.values()]).map(({ solidState, disks: members }) => ({
    solidState,
    disks: members.toSorted((a, b) => a.size - b.size || (a.name > b.name ? 1 : -1)),
  }));
}

/** Merges groups of about the same size, whatever their bus. The group with more disks keeps its size; of two equal ones, the later. */
function merged(groups) {
  const gone = new Set();
  for (const one of groups) {
    for (const other of groups) {
      if (one === other || gone.has(one) || gone.has(other)) continue;
      if (one.solidState !== other.solidState) continue;
      if (Math.abs(one.size - other.size) / other.size > MERGE_TOLERANCE) continue;
      const [kept, added] = one.disks.length > other.disks.length ? [one, other] : [other, one];
      kept.disks.push(...added.disks);
      gone.add(added);
    }
  }
  return groups.filter((group) => !gone.has(group));
}
