/** Facts about disks and the system pool. */

import { isDisk } from "./block-devices.mjs";
import { jsonObject, objects } from "./parse.mjs";
import { poolLayout } from "./pool-layout.mjs";

export async function storage({ host }) {
  const [blocks, pools] = await Promise.all([
    host.run("/usr/bin/lsblk", "--json", "--bytes", "--output", "NAME,SIZE,TYPE,FSTYPE,KNAME"),
    rootDatasets(host),
  ]);
  const disks = objects(jsonObject(blocks)?.blockdevices).filter(isDisk);
  return {
    Disks: Object.fromEntries(disks.map(({ name, size }) => [name, { "Size in GB": Math.floor(Number(size) / 1e9) }])),
    ...(await systemPool(host, pools, disks)),
    poolMembers: disks.some(isPoolMember),
  };
}

/** Whether a device or a partition of it has a ZFS label. */
const isPoolMember = ({ fstype, children }) => fstype === "zfs_member" || objects(children).some(isPoolMember);

/** The facts of the system pool that ZFS reports; an empty object without a system pool. */
async function systemPool(host, pools, disks) {
  const foundAtBoot = await poolOfEarlyBoot(host);
  const known = pools ?? (await rootDatasetAlone(host, foundAtBoot));
  const found = known.find(({ name }) => name === foundAtBoot) ?? known.find((pool) => holdsMark(host, pool));
  if (found === undefined) return {};
  const { name, creation, size } = found;
  const layout = poolLayout(await host.run("/usr/sbin/zpool", "status", "-L", "-P", name));
  return {
    Zpool: name,
    ...(layout !== undefined && {
      "Zpool Disks": [...new Set(layout.members.flatMap((path) => disksOf(path, disks)))].join(","),
      // The first key is the name on Linux, the second the name on SmartOS.
      Profile: layout.profile,
      "Zpool Profile": layout.profile,
    }),
    ...(creation !== undefined && { "Zpool Creation": creation, "Zpool Size in GiB": Math.floor(size / 2 ** 30) }),
  };
}

/** The root dataset of each pool, or of the given one; undefined if ZFS cannot list one of them. */
async function rootDatasets(host, ...pool) {
  // The mountpoint is last, because it may contain tabs.
  const columns = "name,creation,used,available,mounted,mountpoint";
  const listing = await host.run("/usr/sbin/zfs", "list", "-H", "-p", "-d", "0", "-o", columns, ...pool);
  return listing
    ?.split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name, creation, used, available, mounted, ...mountpoint] = line.split("\t");
      const size = Number(used) + Number(available);
      return { name, creation: Number(creation), size, mounted, mountpoint: mountpoint.join("\t") };
    });
}

/** The root dataset of one pool, as a list: another pool may be unreadable. If this one is, too, only its name is known. */
async function rootDatasetAlone(host, pool) {
  return pool === undefined ? [] : ((await rootDatasets(host, pool)) ?? [{ name: pool }]);
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
function holdsMark(host, { mounted, mountpoint }) {
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
