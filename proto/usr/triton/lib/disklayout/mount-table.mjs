/** Disks that the mount table names: those of an inventory file may be disks of this node. */

/**
 * @param {string} [table] text of /proc/self/mounts
 * @returns {(name: string) => boolean} whether the disk of a name, or a partition of it, is mounted
 */
export function isMounted(table = "") {
  const devices = table.split("\n").flatMap((line) => /^\/dev\/(\S+)/.exec(line)?.[1] ?? []);
  return (name) =>
    devices.some((device) => device.startsWith(name) && isPartition(device.slice(name.length), /\d$/.test(name)));
}

/** sda → sda1, but nvme0n1 → nvme0n1p1: a p separates the numbers. */
const isPartition = (rest, digitBefore) => rest === "" || (digitBefore ? /^p\d+$/ : /^\d+$/).test(rest);
