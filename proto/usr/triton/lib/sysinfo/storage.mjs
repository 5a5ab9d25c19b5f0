/** Disks, and the system pool. */

import { jsonObject, objects } from "./parse.mjs";

export async function storage({ host }) {
  const [blocks, datasets] = await Promise.all([
    host.run("/usr/bin/lsblk", "--json", "--bytes", "--output", "NAME,SIZE,TYPE,FSTYPE"),
    host.run("/usr/sbin/zfs", "list", "-H", "-p", "-d", "0", "-o", "name,mountpoint,creation,used,available"),
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

/** The pool whose root has .system_pool in it. */
async function systemPool(host, datasets, disks) {
  const pools = datasets
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\t"));
  const found = pools.find(([, mountpoint]) => host.read(`${mountpoint}/.system_pool`) !== undefined);
  if (found === undefined) return {};
  const [name, , creation, used, available] = found;
  const { members, profile } = layout((await host.run("/usr/sbin/zpool", "status", "-L", "-P", name)) ?? "", name);
  return {
    Zpool: name,
    "Zpool Disks": [...new Set(members.map((path) => diskOf(path, disks)))].join(","),
    // The names of the key on Linux and on SmartOS.
    Profile: profile,
    "Zpool Profile": profile,
    "Zpool Creation": Number(creation),
    "Zpool Size in GiB": Math.floor((Number(used) + Number(available)) / 2 ** 30),
  };
}

/**
 * The devices that hold a pool's data, and how. In `zpool status` the tree begins below the line of headings; a level is
 * two spaces deep; log, cache and spare devices come after headings of their own at the pool's own depth.
 */
function layout(status, pool) {
  const tree = /\n\tNAME .*\n((?:\t.*\n)+)/.exec(status)?.[1] ?? "";
  const members = [];
  let profile = "striped";
  let holdsData = false;
  for (const [, indent, word] of tree.matchAll(/^\t( *)(\S+)/gm)) {
    if (indent === "") {
      holdsData = word === pool;
    } else if (holdsData && word.startsWith("/")) {
      members.push(word);
    } else if (holdsData) {
      profile = /^(mirror|raidz[123]|draid[123]|raidz|draid)/.exec(word)?.[1] ?? profile;
    }
  }
  return { members, profile: profile.replace(/^(raidz|draid)1$/, "$1") };
}

/** /dev/sda1 → sda, where sda has it. */
function diskOf(path, disks) {
  const device = path.replace(/^\/dev\//, "");
  const owner = disks.find(
    ({ name, children }) => name === device || objects(children).some((part) => part.name === device),
  );
  return owner?.name ?? device;
}
