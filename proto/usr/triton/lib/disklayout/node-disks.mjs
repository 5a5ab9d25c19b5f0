/**
 * The disks of this node that a pool may take. Source: lsblk(8) of util-linux 2.38.
 *
 * A disk in use is left out, so that setup never writes to it: mounted (as is the medium that live-boot booted from), used as swap,
 * held by device mapper or MD, member of an imported pool, or read-only. A pool that is not imported, file systems and other old
 * data do not count as use. Each namespace of an NVMe drive is a disk.
 */

import { isDisk } from "../sysinfo/block-devices.mjs";
import { jsonObject, objects } from "../sysinfo/parse.mjs";
import { LayoutError } from "./layout-error.mjs";

const COLUMNS = "NAME,TYPE,SIZE,RM,RO,ROTA,TRAN,VENDOR,MODEL,WWN,SERIAL,MOUNTPOINTS";

/**
 * @param {import("../sysinfo/host.mjs").Host} host each disk that is in use is reported by its `warn`
 * @returns {Promise<import("./disk-groups.mjs").Disk[]>}
 * @throws LayoutError if lsblk fails
 */
export async function nodeDisks(host) {
  const [blocks, pools] = await Promise.all([
    host.run("/usr/bin/lsblk", "--json", "--bytes", "--output", COLUMNS),
    host.run("/usr/sbin/zpool", "status", "-L", "-P"),
  ]);
  const devices = jsonObject(blocks)?.blockdevices;
  if (!Array.isArray(devices)) throw new LayoutError("lsblk does not list the disks of this node; try: lsblk --json");

  const disks = objects(devices).filter(isDisk);
  const uses = usesOf(disks, poolMembers(pools));
  for (const [name, why] of uses) host.warn(`${name} is left out: ${why}`);
  return disks
    .filter(({ name }) => !uses.has(name))
    .map(({ name, size, rm, rota, tran, vendor, model }) => ({
      type: tran?.toUpperCase() ?? "UNKNOWN",
      name,
      vid: vendor?.trim() ?? "",
      pid: model?.trim() ?? "",
      size: Number(size),
      // A USB stick with a boot loader, which many nodes keep, may claim that it is a fixed disk.
      removable: rm || tran === "usb",
      solid_state: !rota,
    }));
}

/** Paths of all devices of imported pools, whatever their class. `zpool status` lists each on a row of its own. */
const poolMembers = (status = "") =>
  new Set([...status.matchAll(/^\t +(\/dev\/\S+)/gm)].map(([, path]) => path.slice("/dev/".length)));

/** The reason why each disk that is not free is left out, by name. */
function usesOf(disks, members) {
  const uses = new Map();
  const paths = new Map();
  for (const disk of disks) {
    const use = useOf(disk, members);
    if (use !== undefined) uses.set(disk.name, use);
    const identity = identityOf(disk);
    if (identity !== undefined) paths.set(identity, [...(paths.get(identity) ?? []), disk.name]);
  }
  for (const names of paths.values()) {
    // The first path stands for the disk, unless one of them is in use.
    const first = names.find((name) => uses.has(name)) ?? names[0];
    for (const name of names) if (name !== first && !uses.has(name)) uses.set(name, `it is another path to ${first}`);
  }
  return uses;
}

/** Two paths lead to one disk if they have its World Wide Name and its serial number. */
const identityOf = ({ wwn, serial }) => (wwn ? JSON.stringify([wwn, serial]) : undefined);

/** How a device or a part of it is used; undefined if it is free. */
function useOf(device, members) {
  if (device.ro) return "it is read-only";
  if (members.has(device.name)) return "it belongs to an imported pool";
  const mountpoint = device.mountpoints?.find((path) => path !== null);
  if (mountpoint !== undefined) return mountpoint === "[SWAP]" ? "it is swap" : `it is mounted on ${mountpoint}`;
  for (const child of objects(device.children)) {
    if (child.type !== "part") return `it is held by ${child.name} (${child.type})`;
    // A partition that is read-only is no use of the disk.
    const use = useOf({ ...child, ro: false }, members);
    if (use !== undefined) return use.replace(/^it\b/, child.name);
  }
  return undefined;
}
