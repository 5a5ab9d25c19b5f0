/** Facts about disks and the system pool. */

import { jsonObject, objects } from "./parse.mjs";
import { poolLayout } from "./pool-layout.mjs";

export async function storage({ host }) {
  const [blocks, datasets] = await Promise.all([
    host.run("/usr/bin/lsblk", "--json", "--bytes", "--output", "NAME,SIZE,TYPE,FSTYPE,KNAME"),
    host.run("/usr/sbin/zfs", "list", "-H", "-p", "-d", "0", "-o", "name,mountpoint,creation,used,available,mounted"),
  ]);
  // zvols belong to the instances and the pool. Drives for removable media appear as disks of size 0.
  const disks = objects(jsonObject(blocks)?.blockdevices).filter(
    ({ name, type, size }) => type === "disk" && Number(size) > 0 && !/^(zd|nbd|fd)\d/.test(name),
  );
  return {
    Disks: Object.fromEntries(disks.map(({ name, size }) => [name, { "Size in GB": Math.floor(Number(size) / 1e9) }])),
    ...(await systemPool(host, datasets ?? "", disks)),
    poolMembers: disks.some(isPoolMember),
  };
}

/** Whether a device or a partition of it has a ZFS label. */
const isPoolMember = ({ fstype, children }) => fstype === "zfs_member" || objects(children).some(isPoolMember);

/** The facts of the system pool; an empty object without a system pool. */
async function systemPool(host, datasets, disks) {
  const pools = datasets
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t"));
  const foundAtBoot = await poolOfEarlyBoot(host);
  const found = pools.find(([name]) => name === foundAtBoot) ?? pools.find((pool) => holdsMark(host, pool));
  if (found === undefined) return {};
  const [name, , creation, used, available] = found;
  const { members, profile } = poolLayout((await host.run("/usr/sbin/zpool", "status", "-L", "-P", name)) ?? "");
  return {
    Zpool: name,
    "Zpool Disks": [...new Set(members.flatMap((path) => disksOf(path, disks)))].join(","),
    // The first key is the name on Linux, the second the name on SmartOS.
    Profile: profile,
    "Zpool Profile": profile,
    "Zpool Creation": Number(creation),
    "Zpool Size in GiB": Math.floor((Number(used) + Number(available)) / 2 ** 30),
  };
}

/**
 * The name of the system pool that early boot found (live-bottom/triton-system-pool). It takes precedence, because early boot
 * looks into each root dataset, even if it is not mounted later. The link also exists if early boot found the pool but
 * could not mount all of it.
 */
async function poolOfEarlyBoot(host) {
  const [state = ""] = (host.read("/run/triton/system-pool.state") ?? "").split("\n");
  const imported = /^imported (.+)$/.exec(state)?.[1];
  if (imported !== undefined || !host.list("/run/triton").includes("system_pool")) return imported;
  const target = (await host.run("/usr/bin/readlink", "/run/triton/system_pool")) ?? "";
  return /^\/([^/]+)\/\n?$/.exec(target)?.[1];
}

/** Whether a pool that was imported later is a system pool: its root dataset is mounted and contains .system_pool. */
function holdsMark(host, [, mountpoint = "", , , , mounted]) {
  // The mountpoint of an unmounted dataset may be a folder of another one. "none" and "legacy" are not paths.
  return (
    mounted !== "no" &&
    mountpoint.startsWith("/") &&
    host.read(`${mountpoint.replace(/\/$/, "")}/.system_pool`) !== undefined
  );
}

/** /dev/sda1 → sda, /dev/dm-0 → all disks below it; for a device that lsblk does not list, its own name. */
function disksOf(path, disks) {
  const device = path.replace(/^\/dev\/(mapper\/)?/, "");
  const isOn = ({ name, kname, children }) => name === device || kname === device || objects(children).some(isOn);
  const owners = disks.filter(isOn).map(({ name }) => name);
  if (owners.length > 0) return owners;
  return [device.replace(/^disk\/by-[^/]+\/(.*?)(-part\d+)?$/, "$1")];
}
