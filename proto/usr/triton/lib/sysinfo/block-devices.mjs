/**
 * Names of block devices that hold no pool, by the rule of early boot (has_disks in early-boot/pools.sh). Among them are zvols,
 * which belong to the instances and the pool, and the partitions for firmware of an eMMC.
 */

const otherDevice = /^(?:(?:loop|ram|zram|fd|sr|zd|nbd)\d|mmcblk\d+(?:boot|rpmb))/;

/** @param {string} name the kernel's name, e.g. "sda" */
export const isOtherDevice = (name) => otherDevice.test(name);
