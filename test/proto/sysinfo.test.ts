/** sysinfo's facts from the files of a machine and the output of its commands. */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { disks, otherDevices } from "../../fixtures/block-devices.js";
import { FakeHost, type FakeHostParts } from "../../fixtures/fake-host.js";
import { laterArguments } from "../../fixtures/later-arguments.js";

type Sysinfo = (host: FakeHost) => Promise<Readonly<Record<string, unknown>>>;
const program = join(findProjectRoot(), "proto/usr/triton/lib/sysinfo/sysinfo.mjs");
const { sysinfo } = (await import(program)) as { sysinfo: Sysinfo };

const test = suite("proto: sysinfo");

const config = "/usr/triton/config";
const stateFile = `${config}/triton-setup-state.json`;
const poolFile = "/run/triton/system-pool.state";

interface Link {
  readonly ifname: string;
  readonly address: string;
  readonly permaddr?: string;
  readonly operstate?: string;
  readonly flags?: readonly string[];
  readonly master?: string;
  readonly link?: string;
  readonly kind?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly ip?: string;
}

/** The output of `ip -json -details address` (iproute2 6.1) for links, as far as sysinfo reads it. */
const ipSays = (...links: Link[]): string =>
  JSON.stringify(
    links.map(({ kind, data, ip, ...link }) => ({
      link_type: "ether",
      operstate: "UP",
      ...link,
      ...(kind !== undefined && { linkinfo: { info_kind: kind, info_data: data } }),
      addr_info: [
        { family: "inet6", local: "fe80::1", label: link.ifname },
        ...(ip === undefined ? [] : [{ family: "inet", local: ip, label: link.ifname }]),
      ],
    })),
  );

const admin: Link = { ifname: "admin0", address: "52:54:00:aa:00:01", ip: "10.77.0.41" };
const second: Link = { ifname: "eth1", address: "52:54:00:aa:00:02", operstate: "DOWN" };

async function factsOf(files: FakeHostParts["files"], commands: FakeHostParts["commands"] = {}) {
  return await sysinfo(new FakeHost({ files, commands }));
}

test("the UUID is dmidecode's in lower case, with the bytes of its first three fields reversed", async () => {
  for (const [system, triton] of [
    ["12345678-9abc-4def-8123-456789abcdef", "78563412-bc9a-ef4d-8123-456789abcdef"],
    ["4C4C4544-0042-3510-8052-B4C04F384C32", "44454c4c-4200-1035-8052-b4c04f384c32"],
  ] as const) {
    assert.is((await factsOf({}, { dmidecode: `${system}\n` }))["UUID"], triton);
    const sysfs = { "/sys/class/dmi/id/product_uuid": `${system}\n` };
    for (const dmidecode of ["Not Settable\n", ""]) {
      assert.is((await factsOf(sysfs, { dmidecode }))["UUID"], triton, "the kernel's UUID replaces dmidecode's");
    }
  }
});

test("a machine without readable facts still has every key that CNAPI reads, with the right type", async () => {
  const facts = await factsOf({});
  assert.is(facts["Setup"], false);
  for (const key of ["Network Interfaces", "Virtual Network Interfaces", "Link Aggregations", "Disks", "Boot Params"]) {
    assert.equal(facts[key], {}, key);
  }
  assert.equal(facts["SDC Agents"], []);
  assert.is(facts["Admin NIC Tag"], "admin");
  assert.is("Zpool" in facts || "Admin IP" in facts, false);
});

test("the kernel's arguments have the names that agents read, and no quotes", async () => {
  const cmdline =
    "boot=live console=tty0 console=ttyS1,115200n8 BOOTIF=01-52-54-00-aa-00-01 ip=10.77.0.41:::255.255.255.0::  " +
    'hostname=cn7 rabbitmq=guest:guest:10.77.0.9:5672 aggr0_aggr="52:54:00:aa:00:01,52:54:00:aa:00:02" x="a b=c" ' +
    "triton.dhcp-all-nics fetch=http://10.77.0.7/os/x?y=z\n";
  assert.equal((await factsOf({ "/proc/cmdline": cmdline }))["Boot Params"], {
    boot: "live",
    console: "ttyS1,115200n8",
    hostname: "cn7",
    rabbitmq: "guest:guest:10.77.0.9:5672",
    aggr0_aggr: "52:54:00:aa:00:01,52:54:00:aa:00:02",
    x: "a b=c",
    fetch: "http://10.77.0.7/os/x?y=z",
    admin_ip: "10.77.0.41",
    admin_netmask: "255.255.255.0",
    admin_mac: "52-54-00-aa-00-01",
  });
});

test("the admin address and MAC are the booter's, even if ip= and BOOTIF= without an address follow", async () => {
  const booter = "BOOTIF=01-52-54-00-aa-00-01 ip=10.77.0.41:::255.255.255.0::";
  const facts = { admin_ip: "10.77.0.41", admin_netmask: "255.255.255.0", admin_mac: "52-54-00-aa-00-01" };
  for (const later of [
    "ip=dhcp",
    "ip=",
    "ip=off",
    "ip=:::::eth0:dhcp",
    "ip=10.9.9.9",
    "ip=::1:::x",
    "BOOTIF=eth0",
    "BOOTIF=",
  ]) {
    const said = await factsOf({ "/proc/cmdline": `${booter} ${later}\n` });
    assert.equal([said["Boot Params"], said["Admin IP"]], [facts, "10.77.0.41"], later);
  }
  const changed = await factsOf({ "/proc/cmdline": `${booter} ip=10.77.0.42:::255.255.0.0\n` });
  assert.equal(changed["Boot Params"], { ...facts, admin_ip: "10.77.0.42", admin_netmask: "255.255.0.0" });
  assert.equal((await factsOf({ "/proc/cmdline": "ip=dhcp\n" }))["Boot Params"], {});
});

test("an ip= or BOOTIF= after the booter's is reported if and only if early boot uses it", async () => {
  const booter = { ip: "10.77.0.41", netmask: "255.255.255.0", bootif: "01-52-54-00-aa-00-01" };
  for (const { text, uses } of laterArguments) {
    const { ip, netmask, bootif } = { ...booter, ...uses };
    const cmdline = `BOOTIF=${booter.bootif} ip=${booter.ip}:::${booter.netmask}:: ${text}\n`;
    const said = (await factsOf({ "/proc/cmdline": cmdline }))["Boot Params"] as Readonly<Record<string, string>>;
    assert.equal(
      [said["admin_ip"], said["admin_netmask"], said["admin_mac"]],
      [ip, netmask, bootif.slice("01-".length)],
      text,
    );
  }
});

/** State of the system pool, setup's state file, whether a disk has a ZFS label → Setup. */
const setups: readonly (readonly [pool: string | undefined, state: string | undefined, label: boolean, is: boolean])[] =
  [
    [undefined, undefined, false, false],
    [undefined, '{"complete": true}', true, true],
    ["none\n", undefined, false, false],
    ["imported zones\n", '{"complete": true}', true, true],
    ["imported zones\n", '{"complete": false, "seen_states": ["zpool_created"]}', true, false],
    ["imported zones\n", '{"complete": "true"}', true, false],
    ["imported zones\n", "{", true, true], // damaged
    ["destroyed zones\n", undefined, false, false],
    ["failed zones: one or more devices is currently unavailable\n", undefined, true, true],
    ["failed zones: last accessed by another system\n", '{"complete": false}', true, true],
    ["noimport\n", undefined, true, true],
    ["noimport\n", undefined, false, false],
  ];

test("Setup is the value in setup's state file, and true while a system pool is unreadable", async () => {
  for (const [pool, state, label, expected] of setups) {
    const files = {
      ...(pool !== undefined && { [poolFile]: pool }),
      ...(state !== undefined && { [stateFile]: state }),
    };
    const vda1 = { name: "vda1", size: 9e9, type: "part", fstype: label ? "zfs_member" : "ext4" };
    const lsblk = JSON.stringify({ blockdevices: [{ name: "vda", size: 1e10, type: "disk", children: [vda1] }] });
    const facts = await factsOf(files, { lsblk });
    assert.is(facts["Setup"], expected, JSON.stringify([pool, state, label]));
  }
});

test("Setup is true if the disks of a pool appeared after early boot", async () => {
  const lsblk = JSON.stringify({
    blockdevices: [{ name: "vda", size: 1e10, type: "disk", fstype: "zfs_member" }],
  });
  const zpool = "   pool: zones\n     id: 1\n  state: ONLINE\n";
  const setUp = async (commands: Record<string, string>): Promise<unknown> =>
    (await factsOf({ [poolFile]: "none\n" }, commands))["Setup"];
  assert.is(await setUp({ lsblk, zpool }), true);
  assert.is(await setUp({ lsblk }), false, "the label of a destroyed pool");
});

test("Disks lists the disks that hold data: no zvols, loop devices, optical or empty drives", async () => {
  const lsblk = JSON.stringify({
    blockdevices: [
      { name: "loop0", size: 277872640, type: "loop", fstype: "squashfs" },
      { name: "fd0", size: 4096, type: "disk", fstype: null },
      { name: "sr0", size: 1073741312, type: "rom", fstype: null },
      { name: "sdb", size: 0, type: "disk", fstype: null },
      { name: "sda", size: "480103981056", type: "disk", fstype: null }, // util-linux before 2.33 quotes numbers
      { name: "nvme0n1", size: 1600321314816, type: "disk", fstype: "zfs_member" },
      { name: "zd0", size: 17179869184, type: "disk", fstype: null },
    ],
  });
  assert.equal((await factsOf({}, { lsblk }))["Disks"], {
    sda: { "Size in GB": 480 },
    nvme0n1: { "Size in GB": 1600 },
  });
});

const zfs = "backup\t1700000000\t1024\t1024\tyes\t/backup\nzones\t1600000000\t10737418240\t32212254720\tyes\t/zones\n";
const status = (tree: string): string =>
  `  pool: zones\n state: ONLINE\nconfig:\n\n\tNAME  STATE READ WRITE CKSUM\n${tree}\nerrors: No known data errors\n`;

test("Disks lists the devices that early boot takes for disks", async () => {
  const blockdevices = [...disks, ...otherDevices].map((name) => ({ name, size: 1e9, type: "disk", fstype: null }));
  const facts = await factsOf({}, { lsblk: JSON.stringify({ blockdevices }) });
  assert.equal(Object.keys(facts["Disks"] as object), disks);
});

/** The tree of `zpool status -LP` → disks and profile. */
const layouts: readonly (readonly [tree: string, disks: string, profile: string])[] = [
  ["\tzones ONLINE 0 0 0\n\t  /dev/sda1 ONLINE 0 0 0\n", "sda", "striped"],
  [
    "\tzones ONLINE 0 0 0\n\t  mirror-0 ONLINE 0 0 0\n\t    /dev/sda1 ONLINE 0 0 0\n\t    /dev/nvme0n1p1 ONLINE 0 0 0\n" +
      "\tlogs\t\n\t  mirror-1 ONLINE 0 0 0\n\t    /dev/sdc ONLINE 0 0 0\n\tcache\n\t  /dev/sdd ONLINE 0 0 0\n" +
      "\tspares\n\t  /dev/sde AVAIL\n",
    "sda,nvme0n1",
    "mirror",
  ],
  [
    "\tzones DEGRADED 0 0 0\n\t  raidz1-0 DEGRADED 0 0 0\n\t    /dev/sda1 ONLINE 0 0 0\n\t    /dev/sdz UNAVAIL 0 0 0\n",
    "sda,sdz",
    "raidz",
  ],
  ["\tzones ONLINE 0 0 0\n\t  raidz2-0 ONLINE 0 0 0\n\t    /dev/sda1 ONLINE 0 0 0\n", "sda", "raidz2"],
];

test("the system pool is the one with .system_pool in its root; log, cache and spare disks are not its disks", async () => {
  const lsblk = JSON.stringify({
    blockdevices: [
      { name: "sda", size: 1e9, type: "disk", children: [{ name: "sda1", type: "part" }] },
      { name: "nvme0n1", size: 1e9, type: "disk", children: [{ name: "nvme0n1p1", type: "part" }] },
    ],
  });
  for (const [tree, disks, profile] of layouts) {
    const facts = await factsOf({ "/zones/.system_pool": "" }, { lsblk, zfs, zpool: status(tree) });
    assert.equal(
      ["Zpool", "Zpool Disks", "Profile", "Zpool Profile", "Zpool Creation", "Zpool Size in GiB"].map(
        (key) => facts[key],
      ),
      ["zones", disks, profile, profile, 1600000000, 40],
    );
  }
  assert.is("Zpool" in (await factsOf({}, { zfs })), false, "a pool without .system_pool is not Triton's");
});

/** The facts of the pool that sysinfo calls the system pool. */
const poolFacts = async (files: FakeHostParts["files"], commands: FakeHostParts["commands"]) => {
  const facts = await factsOf(files, { lsblk: twoDisks, ...commands });
  return [facts["Zpool"], facts["Zpool Disks"], facts["Profile"]];
};
const twoDisks = JSON.stringify({
  blockdevices: ["vda", "vdb"].map((name) => ({
    name,
    size: 1e10,
    type: "disk",
    children: [{ name: `${name}1`, type: "part", fstype: "zfs_member" }],
  })),
});
/** A line of `zfs list` for a name, a mountpoint, and whether it is mounted. */
const rootDataset = (name: string, mountpoint: string, mounted = "yes"): string =>
  `${name}\t1600000000\t1\t1\t${mounted}\t${mountpoint}\n`;
const mirrorOf = (name: string): string =>
  status(
    `\t${name.padEnd(14)}  ONLINE       0     0     0\n\t  mirror-0      ONLINE       0     0     0\n` +
      "\t    /dev/vda1   ONLINE       0     0     0\n\t    /dev/vdb1   ONLINE       0     0     0\n",
  );

test("a pool's name may contain every character that ZFS allows, and may be that of a class of devices", async () => {
  for (const name of ["my pool", "a  b ", "x y z.1:2_3-4", "tank ONLINE", "cache", "logs", "spares", "special"]) {
    const commands = { zfs: rootDataset(name, `/${name}`), zpool: `${mirrorOf(name)}` };
    const expected = [name, "vda,vdb", "mirror"];
    assert.equal(await poolFacts({ [poolFile]: `imported ${name}\n` }, commands), expected);
    assert.equal(
      await poolFacts({ [`/${name}/.system_pool`]: "" }, commands),
      expected,
      "without early boot's state file",
    );
  }
});

test("the system pool is the one that early boot found, even if its root dataset is not mounted", async () => {
  for (const mountpoint of ["/zones", "/", "none", "legacy"]) {
    const zfs = rootDataset("backup", "/backup") + rootDataset("zones", mountpoint, "no");
    const files = { [poolFile]: "imported zones\n", "/backup/.system_pool": "" };
    assert.is((await poolFacts(files, { zfs, zpool: mirrorOf("zones") }))[0], "zones", mountpoint);
  }
  const zfs = rootDataset("backup", "/backup") + rootDataset("my pool", "/my pool", "no");
  const hidden = { [poolFile]: "failed my pool/opt is not mounted: x\n", "/run/triton/system_pool": "" };
  assert.is(
    (await poolFacts(hidden, { zfs, readlink: "/my pool/\n" }))[0],
    "my pool",
    "imported, but not completely mounted",
  );
});

test("a pool that early boot did not find is the system pool if its root dataset is mounted and has .system_pool", async () => {
  const shared = rootDataset("backup", "/zones", "no") + rootDataset("zones", "/zones");
  for (const state of ["none\n", "noimport\n", "destroyed zones\n", "imported gone\n", ""]) {
    const files = { ...(state !== "" && { [poolFile]: state }), "/zones/.system_pool": "" };
    assert.is((await poolFacts(files, { zfs: shared }))[0], "zones", `the pool that is mounted there, after ${state}`);
  }
  for (const mountpoint of ["none", "legacy", "-"]) {
    const files = { [`${mountpoint}/.system_pool`]: "" };
    assert.is((await poolFacts(files, { zfs: rootDataset("zones", mountpoint) }))[0], undefined, "not a path");
  }
});

/** The facts about the system pool that its layout and its root dataset give. */
const layoutKeys = ["Zpool Disks", "Profile", "Zpool Profile"];
const datasetKeys = ["Zpool Creation", "Zpool Size in GiB"];
const poolKeys = (facts: Readonly<Record<string, unknown>>): string[] =>
  [...layoutKeys, ...datasetKeys].filter((key) => key in facts);
const imported = { [poolFile]: "imported zones\n" };

test("if `zpool status` fails or lists no device, disks and profile of the pool are left out", async () => {
  for (const commands of [{}, { zpool: "" }, { zpool: "  pool: zones\n state: ONLINE\n" }]) {
    const facts = await factsOf(imported, { lsblk: twoDisks, zfs, ...commands });
    assert.is(facts["Zpool"], "zones");
    assert.equal(poolKeys(facts), datasetKeys, JSON.stringify(commands));
  }
});

test("if ZFS cannot list every pool, the one that early boot imported is still reported, with what ZFS says about it", async () => {
  const alone = (...args: string[]): string | undefined =>
    args.at(-1) === "zones" ? rootDataset("zones", "/zones") : undefined;
  const zpool = mirrorOf("zones");
  const readable = await factsOf(imported, { lsblk: twoDisks, zfs: alone, zpool });
  assert.equal([readable["Zpool"], readable["Zpool Creation"]], ["zones", 1600000000]);
  assert.equal(poolKeys(readable), [...layoutKeys, ...datasetKeys]);

  const unreadable = await factsOf(imported, { lsblk: twoDisks, zpool });
  assert.equal([unreadable["Zpool"], unreadable["Zpool Disks"]], ["zones", "vda,vdb"]);
  assert.equal(poolKeys(unreadable), layoutKeys);

  const bare = await factsOf(imported);
  assert.equal([bare["Zpool"], ...poolKeys(bare)], ["zones"]);
  for (const state of ["none\n", "noimport\n", "failed zones: x\n"]) {
    assert.is("Zpool" in (await factsOf({ [poolFile]: state }, { zpool })), false, state);
  }
});

test("a root dataset's mountpoint may contain tabs", async () => {
  const mountpoint = "/my\tpool\t";
  const facts = await factsOf(
    { [`${mountpoint}/.system_pool`]: "" },
    { lsblk: twoDisks, zfs: rootDataset("zones", mountpoint), zpool: mirrorOf("zones") },
  );
  assert.equal([facts["Zpool"], facts["Zpool Creation"], facts["Zpool Size in GiB"]], ["zones", 1600000000, 0]);
});

/** Rows below the pool's own → disks and profile. */
const vdevs: readonly (readonly [what: string, rows: string, disks: string, profile: string])[] = [
  ["raidz3", "\t  raidz3-0\tONLINE 0 0 0\n\t    /dev/vda1 ONLINE 0 0 0\n", "vda", "raidz3"],
  ["draid", "\t  draid2:4d:7c:1s-0 ONLINE 0 0 0\n\t    /dev/vda1 ONLINE 0 0 0\n", "vda", "draid2"],
  ["draid of parity 1", "\t  draid1:2d:3c:0s-0 ONLINE 0 0 0\n\t    /dev/vda1 ONLINE 0 0 0\n", "vda", "draid"],
  ["two stripes", "\t  /dev/vda1 ONLINE 0 0 0\n\t  /dev/vdb1 ONLINE 0 0 0\n", "vda,vdb", "striped"],
  [
    "every class in addition to the data",
    "\t  /dev/vda1 ONLINE 0 0 0\n" +
      ["logs\t", "special\t", "dedup\t", "cache", "spares"]
        .map((name) => `\t${name}\n\t  mirror-1 ONLINE 0 0 0\n\t    /dev/vdb1 ONLINE 0 0 0\n`)
        .join(""),
    "vda",
    "striped",
  ],
  [
    "a disk that is being replaced, and a spare in use",
    "\t  mirror-0 DEGRADED 0 0 0\n\t    replacing-0 DEGRADED 0 0 0\n\t      1234567 UNAVAIL 0 0 0  was /dev/vdz1\n" +
      "\t      /dev/vda1 ONLINE 0 0 0  (resilvering)\n\t    spare-1 DEGRADED 0 0 0\n" +
      "\t      /dev/sdq1 FAULTED 3 1.2K 0  too many errors\n\t      /dev/vdb1 ONLINE 0 0 0\n" +
      "\tspares\n\t  /dev/vdb1 INUSE currently in use\n",
    "vda,sdq1,vdb",
    "mirror",
  ],
  ["a removed vdev", "\t  indirect-0 ONLINE 0 0 0\n\t  /dev/vda1 ONLINE 0 0 0\n", "vda", "striped"],
  ["a file with spaces", "\t  /var/tmp/a disk ONLINE.img  ONLINE 0 0 0\n", "/var/tmp/a disk ONLINE.img", "striped"],
  ["a link without a target", "\t  /dev/disk/by-id/ata-X_1-part1  UNAVAIL 0 0 0  cannot open\n", "ata-X_1", "striped"],
];

test("disks and profile come from the vdevs that hold data, for any state and name of theirs", async () => {
  const zfsList = rootDataset("my pool", "/my pool");
  for (const [what, rows, disks, profile] of vdevs) {
    const zpool = status(`\tmy pool  DEGRADED     0     0     0\n${rows}`);
    const said = await poolFacts({ [poolFile]: "imported my pool\n" }, { zfs: zfsList, zpool });
    assert.equal(said, ["my pool", disks, profile], what);
  }
});

test("a member on a device mapper is listed as the disks below it", async () => {
  const dm = { name: "luks a", kname: "dm-0", type: "crypt", fstype: "zfs_member" };
  const blockdevices = ["sda", "sdb"].map((name) => ({
    name,
    kname: name,
    size: 1e10,
    type: "disk",
    children: [{ name: `${name}1`, kname: `${name}1`, type: "part", children: [dm] }],
  }));
  const zfsList = rootDataset("zones", "/zones");
  for (const path of ["/dev/dm-0", "/dev/mapper/luks a"]) {
    const commands = { lsblk: JSON.stringify({ blockdevices }), zfs: zfsList };
    const zpool = status(`\tzones ONLINE 0 0 0\n\t  ${path}  ONLINE 0 0 0\n`);
    assert.is((await poolFacts({ [poolFile]: "imported zones\n" }, { ...commands, zpool }))[1], "sda,sdb", path);
  }
});

test("each NIC has the tags from networking.json, and never the name of its interface as a tag", async () => {
  const networking = JSON.stringify({
    admin_tag: "admin",
    nictags: [
      { name: "admin", mac: "52:54:00:AA:00:01" },
      { name: "external", mac: "52:54:00:aa:00:01" },
      { name: "storage", mac: "52:54:00:aa:00:09" },
      { name: "nobody's" },
      null,
    ],
    vnics: [{ mac: "52:54:00:aa:00:01", nic_tag: "admin", ip: "10.77.0.41" }],
  });
  const facts = await factsOf({ [`${config}/triton-networking.json`]: networking }, { ip: ipSays(admin, second) });
  assert.equal(facts["Network Interfaces"], {
    admin0: {
      "MAC Address": "52:54:00:aa:00:01",
      ip4addr: "10.77.0.41",
      "Link Status": "up",
      "NIC Names": ["admin", "external"],
    },
    eth1: { "MAC Address": "52:54:00:aa:00:02", ip4addr: "", "Link Status": "down", "NIC Names": [] },
  });
  assert.is(facts["Admin IP"], "10.77.0.41");
});

test("without networking.json the tags come from the booter's arguments, and the boot NIC has the admin tag", async () => {
  const ip = ipSays(admin, { ...second, operstate: "UNKNOWN", flags: ["UP", "LOWER_UP"] });
  const names = async (cmdline: string, networking?: string) => {
    const files = { "/proc/cmdline": cmdline, ...(networking && { [`${config}/triton-networking.json`]: networking }) };
    const facts = await factsOf(files, { ip });
    const nics = facts["Network Interfaces"] as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    assert.is(facts["Setup"], false, "Setup is present");
    return Object.values(nics).map((nic) => nic["NIC Names"]);
  };
  assert.equal(await names("admin_nic=52:54:00:aa:00:01 external_nic=52:54:00:aa:00:02 my_nic=fast hostname=x"), [
    ["admin"],
    ["external"],
  ]);
  assert.equal(await names("BOOTIF=01-52-54-00-AA-00-02"), [[], ["admin"]]);
  assert.equal(await names("BOOTIF=01-52-54-00-aa-00-02", '{"admin_tag":"admin_rack_a1"}'), [[], ["admin_rack_a1"]]);
  for (const broken of ["[]", "{", '{"nictags":7,"vnics":"x","aggregations":{}}']) {
    assert.equal(await names("admin_nic=52:54:00:aa:00:01", broken), [["admin"], []], broken);
  }
});

test("an aggregation has Triton's name, its members and its tags; a link over it names its VLAN and its NIC", async () => {
  const networking = JSON.stringify({
    admin_tag: "admin",
    nictags: [
      { name: "admin", mac: "aggr0" },
      { name: "external", mac: "aggr0" },
    ],
    vnics: [
      { mac: "52:54:00:aa:00:01", nic_tag: "admin", ip: "10.77.0.41" },
      { mac: "90:b8:d0:12:34:56", nic_tag: "external", vlan_id: 3105, overlay_nic_tags_provided: ["sdc_overlay"] },
    ],
    aggregations: [{ name: "aggr0", macs: ["52:54:00:AA:00:01", "52:54:00:aa:00:02"] }],
  });
  const member = { address: "52:54:00:aa:00:01", master: "bond-a" };
  const ip = ipSays(
    { ...member, ifname: "eth0" },
    { ...member, ifname: "eth1", permaddr: "52:54:00:aa:00:02" },
    {
      ...admin,
      ifname: "bond-a",
      kind: "bond",
      data: { mode: "802.3ad", ad_lacp_active: "on" },
    },
    { ifname: "vlan3105", address: "52:54:00:aa:00:01", link: "bond-a", kind: "vlan", data: { id: 3105 } },
    { ifname: "external0", address: "90:b8:d0:12:34:56", link: "vlan3105", kind: "macvlan", ip: "198.51.100.41" },
    { ifname: "veth1", address: "00:16:3e:00:00:01", kind: "veth" },
  );
  const facts = await factsOf({ [`${config}/triton-networking.json`]: networking }, { ip });
  const nic = { ip4addr: "", "Link Status": "up", "NIC Names": [] };
  assert.equal(facts["Network Interfaces"], {
    eth0: { ...nic, "MAC Address": "52:54:00:aa:00:01" },
    eth1: { ...nic, "MAC Address": "52:54:00:aa:00:02" },
    aggr0: { ...nic, "MAC Address": "52:54:00:aa:00:01", ip4addr: "10.77.0.41", "NIC Names": ["admin", "external"] },
  });
  assert.equal(facts["Virtual Network Interfaces"], {
    external0: {
      "MAC Address": "90:b8:d0:12:34:56",
      ip4addr: "198.51.100.41",
      "Link Status": "up",
      "Host Interface": "aggr0",
      VLAN: "3105",
      "Overlay Nic Tags": ["sdc_overlay"],
    },
  });
  assert.equal(facts["Link Aggregations"], { aggr0: { "LACP mode": "active", Interfaces: ["eth0", "eth1"] } });
});

test("the names of the datacenter come from networking.json, or else from node.config", async () => {
  const nodeConfig = { [`${config}/node.config`]: "datacenter_name='lab-1'\ndns_domain='example.com'\n" };
  const named = async (files: Record<string, string>) => {
    const facts = await factsOf(files);
    return [facts["Datacenter Name"], facts["DNS Domain"]];
  };
  assert.equal(await named(nodeConfig), ["lab-1", "example.com"]);
  const networking = '{"datacenter_name":"lab-2","dns_domain":"example.net"}';
  assert.equal(await named({ ...nodeConfig, [`${config}/triton-networking.json`]: networking }), [
    "lab-2",
    "example.net",
  ]);
  assert.equal(await named({}), [undefined, undefined]);
});

test("agents are listed with name and version, and other files in their folder are ignored", async () => {
  const folder = "/opt/smartdc/agents/lib/node_modules";
  const facts = await factsOf({
    [`${folder}/cn-agent/package.json`]: '{"name":"cn-agent","version":"2.9.0","private":true}',
    [`${folder}/broken/package.json`]: "{",
    [`${folder}/.cache/x`]: "",
  });
  assert.equal(facts["SDC Agents"], [{ name: "cn-agent", version: "2.9.0" }]);
});

test.run();
