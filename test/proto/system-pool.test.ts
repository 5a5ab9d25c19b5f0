/** The system pool in early boot: the waits for disks, imports and destructions, and the console lines about them. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { disks, otherDevices } from "../../fixtures/block-devices.js";
import { type FakePool, fakeZfs } from "../../fixtures/fake-zfs.js";
import { outcome, waiting, zones } from "../../fixtures/pool-boot.js";
import { FakeInitramfs, shells } from "../../fixtures/proto-initramfs.js";

const script = "live-bottom/triton-system-pool";
const test = suite("proto: system pool");

const foreignError = `cannot import 'zones': pool was previously in use from another system.
Last accessed by cn8 (hostid=a1b2c3d4) at Wed Nov 25 12:00:00 2026
The pool can be imported, use 'zpool import -f' to import the pool.
`;
const foreignListing = `  state: ONLINE
status: The pool was last accessed by another system.
 action: The pool can be imported using its name or numeric identifier and
\tthe '-f' flag.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-EY
 config:

\tzones       ONLINE
\t  vda       ONLINE
`;
const missingListing = `  state: UNAVAIL
status: One or more devices contains corrupted data.
 action: The pool cannot be imported due to damaged devices or data.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-5E
 config:

\tzones       UNAVAIL  insufficient replicas
\t  vda       ONLINE
\t  vdb       UNAVAIL
`;
const missingError = "cannot import 'zones': no such pool or dataset\n";
const degradedListing = `  state: DEGRADED
status: One or more devices are missing from the system.
 action: The pool can be imported despite missing or damaged devices.  The
\tfault tolerance of the pool may be compromised if imported.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-2Q
 config:

\tzones       DEGRADED
\t  mirror-0  DEGRADED
\t    vda     ONLINE
\t    vdb     UNAVAIL
`;
const newerListing = `  state: UNAVAIL
status: The pool uses the following feature(s) not supported on this system:
\tcom.example:later (What is not invented yet.)
 action: The pool cannot be imported. Access the pool on a system that supports
\tthe required feature(s), or recreate the pool from backup.
 config:

\tzones       UNAVAIL  unsupported feature(s)
\t  vda       ONLINE
`;

for (const shell of shells) {
  const prefix = shell.join(" ");

  test(`${prefix}: a set-up node imports its pool by ID and mounts its filesystems in mountpoint order, without a wait`, async () => {
    const { console, state, done, uptime, systemPool, commands } = await outcome(shell, { pools: [zones] });
    assert.equal(console, ["triton: system pool zones"]);
    assert.is(state, "imported zones\n");
    assert.is(systemPool, "/zones/");
    assert.equal(done, [
      "zpool import 1001",
      ...["opt", "var"].map((name) => `zfs mount zones/${name}`),
      "zfs mount zones",
      "zfs mount zones/config",
      "zfs mount zones/cores/global",
    ]);
    assert.is(uptime, 12.34);
    assert.is(commands.includes("modprobe zfs"), true);
  });

  test(`${prefix}: a late disk is found as soon as it appears, within the time of zfs_modprobe_sleep`, async () => {
    const late = { ...zones, pluggedAtSeconds: 24 };
    const found = await outcome(shell, { pools: [late], append: "zfs_modprobe_sleep=15" });
    assert.equal(found.console, [
      "triton: waiting up to 15 s for a disk with the system pool on it",
      "triton: system pool zones",
    ]);
    assert.is(found.uptime < 25, true, String(found.uptime));
    const missed = await outcome(shell, { pools: [late] });
    assert.equal(missed.console, [waiting, "triton: system pool none: no disk"]);
  });

  test(`${prefix}: a pool with spaces in its name is imported, and its name is quoted in the commands of remedies`, async () => {
    const name = "my  pool";
    const filesystems = [`/${name}\ton\t-\t${name}`, `/opt\ton\t-\t${name}/o p t`];
    const whole = await outcome(shell, { pools: [{ name, isSystem: true, filesystems }] });
    assert.equal(whole.console, [`triton: system pool ${name}`]);
    assert.is(whole.state, `imported ${name}\n`);
    assert.is(whole.systemPool, `/${name}/`);
    assert.equal(whole.done.slice(1), [`zfs mount ${name}`, `zfs mount ${name}/o p t`]);

    const unmounted = await outcome(shell, {
      pools: [{ name, isSystem: true, filesystems, unmountable: [`${name}/o p t`] }],
    });
    assert.match(unmounted.console[0] ?? "", `; see 'zfs get all "${name}/o p t"'`);
    const foreign = await outcome(shell, {
      pools: [{ name, importError: foreignError.replace("'zones'", `'${name}'`) }],
    });
    assert.match(foreign.console.join("\n"), `run 'zpool import -fN "${name}"', and reboot`);
  });

  test(`${prefix}: destroy_zpools=true destroys every imported pool before anything is mounted`, async () => {
    const { console, state, done, systemPool } = await outcome(shell, {
      pools: [zones, { name: "tank", filesystems: ["/tank\ton\t-\ttank"] }],
      append: "destroy_zpools=true",
      files: { "run/triton/system_pool": "stale" },
    });
    assert.equal(console, [
      "triton: pool zones destroyed (destroy_zpools=true)",
      "triton: pool tank destroyed (destroy_zpools=true)",
      "triton: system pool none: destroyed zones tank",
    ]);
    assert.is(state, "destroyed zones tank\n");
    assert.equal(done, ["zpool import 1001", "zpool import 1002", "zpool destroy zones", "zpool destroy tank"]);
    assert.is(systemPool, undefined);
  });

  test(`${prefix}: smartdc:factoryreset=yes destroys only the system pool, and the other pools are used`, async () => {
    const { console, state, done } = await outcome(shell, {
      pools: [
        { name: "tank", filesystems: ["/tank\ton\t-\ttank"] },
        { ...zones, factoryReset: "yes" },
      ],
    });
    assert.equal(console, [
      "triton: pool zones destroyed (smartdc:factoryreset=yes)",
      "triton: system pool none: destroyed zones",
    ]);
    assert.is(state, "destroyed zones\n");
    assert.equal(done, ["zpool import 1001", "zpool import 1002", "zpool destroy zones", "zfs mount tank"]);
  });
}

// Decisions and texts are the same in every shell, so these tests run in one.
const [shell] = shells;

test("a new node waits 10 s, and with zfs_modprobe_sleep=0 it does not wait", async () => {
  const slow = await outcome(shell, { files: { "sys/block/vda/size": "2048\n" } });
  assert.equal(slow.console, [waiting, "triton: system pool none"]);
  assert.is(slow.state, "none\n");
  assert.is(Math.floor(slow.uptime), 22);
  assert.is(
    slow.commands.filter((line) => line === "zpool import").length,
    1,
    "searches again only when a disk appears",
  );
  const quick = await outcome(shell, { append: "zfs_modprobe_sleep=0" });
  assert.equal(quick.console, ["triton: system pool none: no disk"]);
  assert.is(quick.uptime, 12.34);
});

test("without a disk ZFS is not loaded, and only devices that can hold a pool count as disks", async () => {
  const files = Object.fromEntries(otherDevices.map((name) => [`sys/block/${name}/size`, "8\n"]));
  const { commands, console } = await outcome(shell, { files });
  assert.is(commands.includes("modprobe zfs"), false);
  assert.equal(console, [waiting, "triton: system pool none: no disk"]);
  for (const name of disks) {
    const said = await outcome(shell, { files: { ...files, [`sys/block/${name}/size`]: "8\n" } });
    assert.is(said.commands.includes("modprobe zfs"), true, name);
  }
});

test("zfs_modprobe_sleep must be a separate word with a number, and the last one counts", async () => {
  const table = [
    ["zfs_modprobe_sleep=5 zfs_modprobe_sleep=0", 0],
    ["xzfs_modprobe_sleep=0 zfs_modprobe_sleep zfs_modprobe_sleep_=0", 10],
  ] as const;
  for (const [append, seconds] of table) {
    const { uptime } = await outcome(shell, { append });
    assert.is(Math.floor(uptime) - 12, seconds, append);
  }
  for (const value of ["", "-1", "010", "5s", "99999", "*", "$(reboot)"]) {
    const { console } = await outcome(shell, { append: `zfs_modprobe_sleep=${value}`, pools: [zones] });
    assert.is(
      console[0],
      `triton: error: the kernel argument zfs_modprobe_sleep=${value} is not a number of seconds below 1000; correct it in CNAPI`,
    );
  }
});

test("early boot waits 30 s for the missing disks of a pool, and imports it as soon as they appear", async () => {
  const late = { ...zones, listingUnplugged: degradedListing, pluggedAtSeconds: 30 };
  const { console, done, uptime } = await outcome(shell, { pools: [late] });
  assert.equal(console, [
    "triton: waiting up to 30 s for the missing disks of pool zones",
    "triton: system pool zones",
  ]);
  assert.is(done[0], "zpool import 1001");
  assert.is(Math.floor(uptime), 30);
});

test("early boot waits for the missing disks of another pool even if the system pool is imported", async () => {
  const late = { name: "tank", listingUnplugged: degradedListing, pluggedAtSeconds: 20 };
  const { console, uptime } = await outcome(shell, { pools: [zones, late] });
  assert.equal(console, ["triton: waiting up to 30 s for the missing disks of pool tank", "triton: system pool zones"]);
  assert.is(Math.floor(uptime), 20);
});

test("a degraded pool is imported when the time is up, and reported as degraded", async () => {
  const degraded = { ...zones, listingUnplugged: degradedListing, pluggedAtSeconds: 1000 };
  const { console, state, done, uptime } = await outcome(shell, { pools: [degraded] });
  assert.equal(console, [
    "triton: waiting up to 30 s for the missing disks of pool zones",
    "triton: error: pool zones is DEGRADED; see 'zpool status zones', and replace the failed disks",
    "triton: system pool zones, degraded",
  ]);
  assert.is(state, "imported zones\n");
  assert.is(done.length, 6);
  assert.is(Math.floor(uptime), 42);
});

test("noimport=true overrides all other arguments, and no ZFS command runs", async () => {
  const append = "destroy_zpools=true noimport=true zfs_modprobe_sleep=60";
  const { console, state, commands, systemPool } = await outcome(shell, {
    pools: [{ ...zones, factoryReset: "yes" }],
    append,
    files: { "run/triton/system_pool": "stale" },
  });
  assert.equal(console, ["triton: system pool not imported (noimport=true)"]);
  assert.is(state, "noimport\n");
  assert.equal(commands, [""]);
  assert.is(systemPool, undefined);
});

test("only the exact words noimport=true and destroy_zpools=true count", async () => {
  for (const append of [
    "x.noimport=true noimport=true1 noimport=TRUE noimport noimport= noimport=false triton.noimport=true",
    "x.destroy_zpools=true destroy_zpools=true, destroy_zpools=yes destroy_zpools a=destroy_zpools=true",
  ]) {
    const { console, done } = await outcome(shell, { pools: [zones], append });
    assert.equal(console, ["triton: system pool zones"], append);
    assert.is(done.length, 6);
  }
});

test("destroy_zpools=true without a pool destroys nothing", async () => {
  const { console, done } = await outcome(shell, { append: "destroy_zpools=true zfs_modprobe_sleep=0" });
  assert.equal(console, ["triton: system pool none: no disk"]);
  assert.equal(done, []);
});

test("a pool that cannot be destroyed is reported and not mounted, and the node does not count as new", async () => {
  const { console, state, done } = await outcome(shell, {
    pools: [{ ...zones, destroyError: "cannot destroy 'zones': pool is busy\n" }],
    append: "destroy_zpools=true",
  });
  assert.equal(console, [
    "triton: error: pool zones: not destroyed (destroy_zpools=true): cannot destroy 'zones': pool is busy; " +
      "destroy it by hand: zpool destroy zones",
    "triton: system pool none, but not a new node: " +
      "pool zones: not destroyed (destroy_zpools=true): cannot destroy 'zones': pool is busy",
  ]);
  assert.match(state, /^failed pool zones: not destroyed/);
  assert.equal(done, ["zpool import 1001", "zpool destroy zones"]);
});

test("any other value of smartdc:factoryreset, and the mark on a pool that is not the system pool, destroy nothing", async () => {
  for (const factoryReset of ["-", "no", "YES", "yes yes", "true"]) {
    const { done } = await outcome(shell, { pools: [{ ...zones, factoryReset }] });
    assert.is(done.includes("zpool destroy zones"), false, factoryReset);
  }
  const { done } = await outcome(shell, { pools: [zones, { name: "tank", factoryReset: "yes" }] });
  assert.is(done.includes("zpool destroy tank"), false);
});

const notImported: readonly (readonly [what: string, pool: FakePool, console: readonly string[], reason: string])[] = [
  [
    "a pool of another machine",
    { name: "zones", listing: foreignListing, importError: foreignError },
    [
      "triton: error: pool zones: not imported: pool was previously in use from another system. Last accessed by cn8 " +
        "(hostid=a1b2c3d4) at Wed Nov 25 12:00:00 2026; make sure that no other machine uses its disks, boot with " +
        "noimport=true, run 'zpool import -fN zones', and reboot",
      waiting,
    ],
    "pool zones: not imported: pool was previously in use from another system. Last accessed by cn8 " +
      "(hostid=a1b2c3d4) at Wed Nov 25 12:00:00 2026",
  ],
  [
    "a pool that lacks disks",
    { name: "zones", listing: missingListing, importError: missingError },
    [
      "triton: waiting up to 30 s for the missing disks of pool zones",
      "triton: error: pool zones: not imported: One or more devices contains corrupted data " +
        "(vdb is missing or not readable); attach the missing disks, and reboot",
    ],
    "pool zones: not imported: One or more devices contains corrupted data (vdb is missing or not readable)",
  ],
  [
    "a pool of a newer ZFS",
    { name: "zones", listing: newerListing, importError: "cannot import 'zones': unsupported feature\n" },
    [
      "triton: waiting up to 30 s for the missing disks of pool zones",
      "triton: error: pool zones: not imported: The pool uses the following feature(s) not supported on this system: " +
        "com.example:later (What is not invented yet.); boot a platform image with a newer ZFS",
    ],
    "pool zones: not imported: The pool uses the following feature(s) not supported on this system: " +
      "com.example:later (What is not invented yet.)",
  ],
  [
    "a pool with an unknown import error",
    { name: "zones", importError: "internal error: Invalid exchange\n" },
    [
      "triton: error: pool zones: not imported: internal error: Invalid exchange; " +
        "run 'zpool import' to see the cause, fix it, and reboot",
      waiting,
    ],
    "pool zones: not imported: internal error: Invalid exchange",
  ],
];
for (const [what, pool, lines, reason] of notImported) {
  test(`${what} is reported and not forced, and the node does not count as new`, async () => {
    const { console, state, done, systemPool } = await outcome(shell, { pools: [pool] });
    assert.equal(console, [...lines, `triton: system pool none, but not a new node: ${reason}`]);
    assert.is(state, `failed ${reason}\n`);
    assert.equal(done, ["zpool import 1001"]);
    assert.is(systemPool, undefined);
  });
}

test("a node whose pool cannot be imported does not count as new, even with destroy_zpools=true", async () => {
  const pools = [{ name: "tank" }, { name: "zones", listing: foreignListing, importError: foreignError }];
  const { state } = await outcome(shell, { pools, append: "destroy_zpools=true" });
  assert.match(state, /^failed pool zones: not imported/);
});

test("a foreign pool next to the system pool is reported, and the system pool is used", async () => {
  const pools = [zones, { name: "zones", listing: foreignListing, importError: foreignError }];
  const { console, state } = await outcome(shell, { pools });
  assert.match(console[0] ?? "", /^triton: error: pool zones: not imported: pool was previously in use/);
  assert.is(console[1], "triton: system pool zones");
  assert.is(state, "imported zones\n");
});

test("if ZFS does not work, the state file says so, and the node does not count as new", async () => {
  const zfs = await fakeZfs([zones]);
  await using initramfs = await FakeInitramfs.create({
    shell,
    files: zfs.files,
    programs: { ...zfs.programs, modprobe: "#!/bin/sh\necho 'modprobe: ERROR: could not insert zfs' >&2\nexit 1\n" },
  });
  await initramfs.run(script);
  assert.match(
    await initramfs.read("run/triton/system-pool.state"),
    /^failed pool \(any\): ZFS does not work: modprobe: ERROR/,
  );
});

test("a pool without .system_pool is used, and is not the system pool", async () => {
  const tank = { name: "tank", filesystems: ["/tank\ton\t-\ttank", "/data\ton\t-\ttank/data"] };
  const { console, state, done } = await outcome(shell, { pools: [tank] });
  assert.equal(console, [waiting, "triton: system pool none"]);
  assert.is(state, "none\n");
  assert.equal(done, ["zpool import 1001", "zfs mount tank/data", "zfs mount tank"]);
});

test("of two system pools the first is used, and no filesystem of the second is mounted", async () => {
  const old = { name: "old", isSystem: true, filesystems: ["/old\ton\t-\told", "/var\ton\t-\told/var"] };
  const { console, done } = await outcome(shell, { pools: [zones, old] });
  assert.equal(console, [
    "triton: error: pool old contains .system_pool, and so does the system pool zones: nothing of old is mounted; " +
      "remove .system_pool from the pool that is not the system pool, or detach the disks of that pool",
    "triton: system pool zones",
  ]);
  assert.is(
    done.some((line) => line.startsWith("zfs mount old")),
    false,
  );
});

test("early boot looks into a root dataset with any mountpoint", async () => {
  for (const [rootMountpoint, option] of [
    ["/elsewhere", "zfsutil,ro"],
    ["none", "zfsutil,ro"],
    ["legacy", "ro"],
  ]) {
    const { commands, systemPool } = await outcome(shell, {
      pools: [{ name: "zones", isSystem: true, ...(rootMountpoint && { rootMountpoint }) }],
    });
    assert.is(commands.includes(`mount -t zfs -o ${option} zones /run/triton/pool`), true, rootMountpoint);
    assert.is(systemPool, "/zones/");
  }
});

test("a node with an unreadable root dataset does not count as new", async () => {
  const { console, state } = await outcome(shell, { pools: [{ name: "zones", unmountable: ["zones"] }] });
  assert.is(
    console[0],
    "triton: error: pool zones: its root dataset cannot be mounted to look for .system_pool: " +
      "cannot mount 'zones': encryption key not loaded; check that it is neither encrypted nor damaged",
  );
  assert.match(state, /^failed pool zones: its root dataset cannot be mounted/);
});

test("a pool with spaces in its name is one pool", async () => {
  const pool = { name: "my zones", isSystem: true, filesystems: ["/my zones\ton\t-\tmy zones"] };
  const { console, state, done } = await outcome(shell, { pools: [pool] });
  assert.equal(console, ["triton: system pool my zones"]);
  assert.is(state, "imported my zones\n");
  assert.equal(done, ["zpool import 1001", "zfs mount my zones"]);
});

test.run();
