/** Which block devices are disks that a pool may be on. */

/**
 * Names of devices that hold no pool, by the rule of early boot (has_disks in early-boot/pools.sh). Among them are zvols, which
 * belong to the instances and the pool, and the partitions for firmware of an eMMC.
 */
const otherDevice = /^(?:(?:loop|ram|zram|fd|sr|zd|nbd)\d|mmcblk\d+(?:boot|rpmb))/;

/**
 * Whether a device is a disk. Drives for removable media without a medium have the size 0.
 * @param {{name: string, type: string, size: number | string}} device as lsblk --json --bytes describes it
 */
export const isDisk = ({ name, type, size }) => type === "disk" && Number(size) > 0 && !otherDevice.test(name);
