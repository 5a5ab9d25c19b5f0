/** disklayout: which disks of a node it takes, from the output of lsblk and zpool. */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { disks, otherDevices } from "../../fixtures/block-devices.js";
import type { Disk } from "../../fixtures/disk-inventories.js";
import { FakeHost } from "../../fixtures/fake-host.js";

const program = join(findProjectRoot(), "proto/usr/triton/lib/disklayout/node-disks.mjs");
const { nodeDisks } = (await import(program)) as { nodeDisks: (host: FakeHost) => Promise<Disk[]> };

const test = suite("proto: disks of a node");

/** A device as `lsblk --json --bytes` of util-linux 2.38 lists it. */
interface Device {
  readonly name: string;
  readonly type?: string;
  readonly size?: number;
  readonly rm?: boolean;
  readonly ro?: boolean;
  readonly rota?: boolean;
  readonly tran?: string;
  readonly vendor?: string;
  readonly model?: string;
  readonly wwn?: string;
  readonly serial?: string;
  readonly mountpoints?: readonly (string | null)[];
  readonly children?: readonly Device[];
}

const empty = { tran: null, vendor: null, model: null, wwn: null, serial: null };
const fixed = { type: "disk", size: 1e12, rm: false, ro: false, rota: true, mountpoints: [null] };
const listed = ({ children, ...device }: Device): object => ({
  ...empty,
  ...fixed,
  ...device,
  ...(children !== undefined && { children: children.map(listed) }),
});

/** The disks that disklayout takes, and its warnings. */
async function taken(devices: readonly Device[], zpool = ""): Promise<{ disks: Disk[]; warnings: string[] }> {
  const lsblk = JSON.stringify({ blockdevices: devices.map(listed) });
  const host = new FakeHost({ files: {}, commands: { lsblk, zpool } });
  return { disks: await nodeDisks(host), warnings: host.warnings };
}
const partition = (name: string, others: Omit<Device, "name"> = {}): Device => ({ type: "part", name, ...others });

test("a disk has lsblk's facts; one that does not rotate is solid state, and a USB disk is removable whatever it claims", async () => {
  const { disks: found } = await taken([
    { name: "sda", tran: "sas", vendor: "SEAGATE ", model: " ST4000NM0023", size: 4_000_787_030_016 },
    { name: "nvme0n1", tran: "nvme", model: "INTEL SSDPE2", rota: false },
    { name: "nvme0n2", tran: "nvme", model: "INTEL SSDPE2", rota: false },
    { name: "vda", vendor: "0x1af4" },
    { name: "sdb", tran: "usb", size: 32e9 },
    { name: "sdc", tran: "sata", rm: true },
  ]);
  const none = { vid: "", pid: "", size: 1e12, removable: false, solid_state: false };
  const nvme = { ...none, type: "NVME", pid: "INTEL SSDPE2", solid_state: true };
  assert.equal(found, [
    { ...none, type: "SAS", name: "sda", vid: "SEAGATE", pid: "ST4000NM0023", size: 4_000_787_030_016 },
    { ...nvme, name: "nvme0n1" },
    { ...nvme, name: "nvme0n2" },
    { ...none, type: "UNKNOWN", name: "vda", vid: "0x1af4" },
    { ...none, type: "USB", name: "sdb", size: 32e9, removable: true },
    { ...none, type: "SATA", name: "sdc", removable: true },
  ]);
});

test("the devices that early boot takes for disks are taken, and no others; empty drives and optical drives are none", async () => {
  const { disks: found, warnings } = await taken([
    ...[...disks, ...otherDevices].map((name) => ({ name })),
    { name: "sdz", size: 0 },
    { name: "sr1", type: "rom" },
    { name: "loop9", type: "loop", mountpoints: ["/run/live/rootfs/filesystem.squashfs"] },
    { name: "dm-0", type: "dm" },
    { name: "md0", type: "raid1" },
  ]);
  assert.equal(
    found.map(({ name }) => name),
    disks,
  );
  assert.equal(warnings, []);
});

const zpoolStatus =
  "  pool: my pool\n state: ONLINE\nconfig:\n\n\tNAME          STATE     READ WRITE CKSUM\n" +
  "\tmy pool       ONLINE       0     0     0\n\t  mirror-0    ONLINE       0     0     0\n" +
  "\t    /dev/sda1  ONLINE       0     0     0\n\t    /dev/nvme0n1p1  ONLINE       0     0     0\n" +
  "\tlogs\t\n\t  /dev/sdb  ONLINE       0     0     0\n\tspares\n\t  /dev/sdc1  AVAIL\n\nerrors: No known data errors\n";

/** A device in use → why it is left out. */
const used: readonly (readonly [device: Device, why: string])[] = [
  [{ name: "vda", ro: true }, "vda is left out: it is read-only"],
  [{ name: "vda", mountpoints: ["/mnt"] }, "vda is left out: it is mounted on /mnt"],
  [{ name: "vda", mountpoints: [null, "/a", "/b"] }, "vda is left out: it is mounted on /a"],
  [{ name: "vda", mountpoints: ["[SWAP]"] }, "vda is left out: it is swap"],
  [
    { name: "vda", children: [partition("vda1"), partition("vda2", { mountpoints: ["/run/live/medium"] })] },
    "vda is left out: vda2 is mounted on /run/live/medium",
  ],
  [{ name: "vda", children: [partition("vda1", { mountpoints: ["[SWAP]"] })] }, "vda is left out: vda1 is swap"],
  [{ name: "vda", children: [{ name: "md127", type: "raid1" }] }, "vda is left out: it is held by md127 (raid1)"],
  [{ name: "vda", children: [{ name: "mpatha", type: "mpath" }] }, "vda is left out: it is held by mpatha (mpath)"],
  [
    { name: "vda", children: [partition("vda1", { children: [{ name: "vg-root", type: "lvm" }] })] },
    "vda is left out: vda1 is held by vg-root (lvm)",
  ],
  [
    { name: "sda", children: [partition("sda1"), partition("sda9")] },
    "sda is left out: sda1 belongs to an imported pool",
  ],
  [
    { name: "nvme0n1", children: [partition("nvme0n1p1")] },
    "nvme0n1 is left out: nvme0n1p1 belongs to an imported pool",
  ],
  [{ name: "sdb" }, "sdb is left out: it belongs to an imported pool"],
  [{ name: "sdc", children: [partition("sdc1")] }, "sdc is left out: sdc1 belongs to an imported pool"],
];

test("a disk in use is left out, with the reason, and the free ones beside it are taken", async () => {
  for (const [device, why] of used) {
    const { disks: found, warnings } = await taken([device, { name: "sdx" }], zpoolStatus);
    assert.equal([found.map(({ name }) => name), warnings], [["sdx"], [why]]);
  }
});

test("partitions, a read-only partition and the label of a pool that is not imported are no use", async () => {
  const children = [partition("sda1"), partition("sda9", { ro: true })];
  const { disks: found, warnings } = await taken([{ name: "sda", children }, { name: "sdaa" }], "");
  assert.equal([found.map(({ name }) => name), warnings], [["sda", "sdaa"], []]);
});

test("of two paths to one disk the first is taken; disks without a World Wide Name, or with other serial numbers, are different", async () => {
  const wwn = "0x5000c500a1b2c3d4";
  const { disks: found, warnings } = await taken([
    { name: "sda", wwn, serial: "Z1" },
    { name: "sdb", wwn, serial: "Z2" },
    { name: "sdc", wwn, serial: "Z1" },
    { name: "sdd", serial: "Z1" },
    { name: "sde", serial: "Z1" },
  ]);
  assert.equal(
    found.map(({ name }) => name),
    ["sda", "sdb", "sdd", "sde"],
  );
  assert.equal(warnings, ["sdc is left out: it is another path to sda"]);
});

test("a path that is in use keeps the other path of its disk out, too", async () => {
  const path = { wwn: "0x5000c500a1b2c3d4", serial: "Z1" };
  const { disks: found } = await taken([
    { name: "sda", ...path, mountpoints: ["/mnt"] },
    { name: "sdb", ...path },
  ]);
  assert.equal(found, []);
  const { disks: second } = await taken([
    { name: "sda", ...path },
    { name: "sdb", ...path, mountpoints: ["/mnt"] },
  ]);
  assert.equal(second, []);
});

test("without ZFS the disks are still listed; without lsblk the error names it", async () => {
  const lsblk = JSON.stringify({ blockdevices: [listed({ name: "sda" })] });
  assert.is((await nodeDisks(new FakeHost({ files: {}, commands: { lsblk } }))).length, 1);
  for (const output of [undefined, "", "{}", "[]", '{"blockdevices":null}']) {
    const commands = output === undefined ? {} : { lsblk: output };
    try {
      await nodeDisks(new FakeHost({ files: {}, commands }));
      assert.unreachable(String(output));
    } catch (error) {
      assert.is((error as Error).message, "lsblk does not list the disks of this node; try: lsblk --json");
    }
  }
});

test.run();
