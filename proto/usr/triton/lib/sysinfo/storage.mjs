/** Disks, and the system pool. */

import { jsonObject, objects } from "./parse.mjs";
import { poolLayout } from "./pool-layout.mjs";

export async function storage({ host }) {
  const [blocks, datasets] = await Promise.all([
    host.run("/usr/bin/lsblk", "--json", "--bytes", "--output", "NAME,SIZE,TYPE,FSTYPE,KNAME"),
    host.run("/usr/sbin/zfs", "list", "-H", "-p", "-d", "0", "-o", "name,mountpoint,creation,used,available,mounted"),
  ]);
  // zvols are the instances' and the pool's own; drives for media say that they are disks of no size.
  const disks = objects(jsonObject(blocks)?.blockdevices).filter(
    ({ name, type, size }) => type === "disk" && Number(size) > 0 && !/^(zd|nbd|fd)\d/.test(name),
  );
  return {
    Disks: Object.fromEntries(disks.map(({ name, size }) => [name, { "Size in GB": Math.floor(Number(size) / 1e9) }])),
    ...(await systemPool(host, datasets ?? "", disks)),
    poolMembers: disks.some(isPoolMember),
  };
}

/** A ZFS label on a device or on a partition of it. */
const isPoolMember = ({ fstype, children }) => fstype === "zfs_member" || objects(children).some(isPoolMember);

/** The facts of the system pool; none if there is no system pool. */
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
    // The names of the key on Linux and on SmartOS.
    Profile: profile,
    "Zpool Profile": profile,
    "Zpool Creation": Number(creation),
    "Zpool Size in GiB": Math.floor((Number(used) + Number(available)) / 2 ** 30),
  };
}

/**
 * The name of the pool that early boot (live-bottom/triton-system-pool) took for the system pool. It looks into each root
 * dataset, be it mounted later or not, so its word comes first. The link is there, too, where early boot found the pool
 * and could not mount all of it.
 */
async function poolOfEarlyBoot(host) {
  const [state = ""] = (host.read("/run/triton/system-pool.state") ?? "").split("\n");
  const imported = /^imported (.+)$/.exec(state)?.[1];
  if (imported !== undefined || !host.list("/run/triton").includes("system_pool")) return imported;
  const target = (await host.run("/usr/bin/readlink", "/run/triton/system_pool")) ?? "";
  return /^\/([^/]+)\/\n?$/.exec(target)?.[1];
}

/** Whether a pool that came after early boot is one: its root dataset is mounted and has .system_pool in it. */
function holdsMark(host, [, mountpoint = "", , , , mounted]) {
  // Of a dataset that is not mounted the mountpoint may be a folder of another one; "none" and "legacy" are no paths.
  return (
    mounted !== "no" &&
    mountpoint.startsWith("/") &&
    host.read(`${mountpoint.replace(/\/$/, "")}/.system_pool`) !== undefined
  );
}

/** /dev/sda1 → sda, where sda has it, and /dev/dm-0 → all the disks that are below it; of a device unknown to lsblk its own name. */
function disksOf(path, disks) {
  const device = path.replace(/^\/dev\/(mapper\/)?/, "");
  const isOn = ({ name, kname, children }) => name === device || kname === device || objects(children).some(isOn);
  const owners = disks.filter(isOn).map(({ name }) => name);
  if (owners.length > 0) return owners;
  return [device.replace(/^disk\/by-[^/]+\/(.*?)(-part\d+)?$/, "$1")];
}
