/** The filesystems of imported pools that early boot mounts, and the place of the configuration after that. */

import { readlink } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fakeZfs } from "../../fixtures/fake-zfs.js";
import { outcome, setUp, zones } from "../../fixtures/pool-boot.js";
import { FakeInitramfs, shells } from "../../fixtures/proto-initramfs.js";

const script = "live-bottom/triton-system-pool";
const test = suite("proto: pool mounts");

for (const shell of shells) {
  const prefix = shell.join(" ");

  test(`${prefix}: filesystems with canmount=on and a mountpoint are mounted, parents first, and no others`, async () => {
    const filesystems = [
      "/a/b/c\ton\t-\tzones/deepest",
      "/a/b\ton\t-\tzones/deep",
      "/a b\ton\t-\tzones/with space",
      "/a-b\ton\t-\tzones/dash",
      "/a\ton\t-\tzones/shallow",
      "/zones\ton\t-\tzones",
      "legacy\ton\t-\tzones/legacy",
      "none\ton\t-\tzones/none",
      "-\ton\t-\tzones/volume",
      "/\tnoauto\t-\tzones/system",
      "/off\toff\t-\tzones/off",
      "/etc/systemd/system\ton\t-\tzones/platform/etc/systemd/system",
      "/etc/systemd/network\ton\t-\tzones/platform/etc/systemd/network",
      "/var/lib/lxd\ton\t-\tzones/lxd",
      "/lxdpool2\ton\t-\tzones/lxdpool2",
      "/my/lxdpool\ton\t-\tzones/my-lxdpool",
      "/var/lib/lxd/pool\ton\t-\tzones/lxdpool",
      "/var/lib/lxd/c1\ton\t-\tzones/lxdpool/containers/c1",
      "/secret\ton\tavailable\tzones/unlocked",
    ];
    const { done, console } = await outcome(shell, { pools: [{ ...zones, filesystems }] });
    assert.equal(console, ["triton: system pool zones"]);
    assert.equal(
      done.slice(1).map((line) => line.slice("zfs mount ".length)),
      [
        ...["zones/shallow", "zones/with space", "zones/dash", "zones/deep", "zones/deepest"],
        ...["zones/platform/etc/systemd/network", "zones/platform/etc/systemd/system"],
        ...["zones/lxdpool2", "zones/my-lxdpool", "zones/unlocked", "zones/lxd", "zones"],
      ],
    );
  });

  test(`${prefix}: hostile mountpoints execute no command and mount no other filesystem`, async () => {
    const filesystems = [
      "/a; touch evil\ton\t-\tzones/a",
      "/$(touch evil)\ton\t-\tzones/b",
      "/`touch evil`\ton\t-\tzones/c",
      "/*\ton\t-\tzones/d",
      "/tab\there\ton\t-\tzones/e",
      "/line",
      "break\ton\t-\tzones/f",
      "/forged\ton\t-\ttank/g",
      "/-rf\ton\t-\tzones/h i",
      "/back\\slash\ton\t-\tzones/j",
    ];
    const { done, console } = await outcome(shell, { pools: [{ ...zones, filesystems }] });
    assert.equal(console, ["triton: system pool zones"]);
    assert.equal(
      done.slice(1).sort(),
      ["zones/a", "zones/b", "zones/c", "zones/d", "zones/h i", "zones/j"].map((name) => `zfs mount ${name}`),
    );
  });

  test(`${prefix}: the configuration that setup moved to the pool is used, and receives this boot's files`, async () => {
    const zfs = await fakeZfs([zones]);
    await using initramfs = await FakeInitramfs.create({
      shell,
      programs: zfs.programs,
      files: {
        ...zfs.files,
        dmidecode: "12345678-9abc-4def-8123-456789abcdef\n",
        "etc/node.config": "sapi_domain='sapi.lab'\n",
        "root/opt/triton/config/triton-setup-state.json": "{}",
      },
    });
    await initramfs.boot();
    assert.is(await readlink(initramfs.path("root/usr/triton/config")), "../../opt/triton/config");
    assert.is(await initramfs.read("root/usr/triton/config/triton-setup-state.json"), "{}");
    assert.is(await initramfs.read("root/opt/triton/config/node.config"), "sapi_domain='sapi.lab'\n");
  });
}

// Decisions and texts are the same in every shell, so these tests run in one.
const [shell] = shells;

test("mounts for the search and for the programs are all removed", async () => {
  const { commands } = await outcome(shell, { pools: [zones, { name: "tank" }] });
  const mounts = commands.flatMap((line) => /^mount .* (\S+)$/.exec(line)?.[1] ?? []);
  const unmounts = commands.flatMap((line) => /^umount (\S+)$/.exec(line)?.[1] ?? []);
  assert.equal(mounts.sort(), unmounts.sort());
  assert.equal(mounts, [
    ...["/root/dev", "/root/proc", "/root/run", "/root/sys"],
    ...["/run/triton/pool", "/run/triton/pool"],
  ]);
  assert.equal(
    commands.filter((line) => line.startsWith("mount -t zfs")),
    ["zones", "tank"].map((name) => `mount -t zfs -o zfsutil,ro ${name} /run/triton/pool`),
  );
});

test("a filesystem that cannot or must not be mounted is reported, and the others are mounted", async () => {
  const table = [
    ["/secret\ton\tunavailable\tzones/locked", "it is encrypted, and its key is not loaded"],
    ["/\ton\t-\tzones/root", "it would hide the image's files"],
    ["/etc\ton\t-\tzones/etc", "it would hide the image's files"],
    ["/usr\ton\t-\tzones/usr", "it would hide the image's files"],
    ["/bin\ton\t-\tzones/bin", "it would hide the image's files"],
    ["/dev/shm/x\ton\t-\tzones/dev", "the kernel's file systems are mounted there"],
    ["/run\ton\t-\tzones/run", "the kernel's file systems are mounted there"],
    ["/var/../etc\ton\t-\tzones/dots", "the path contains .."],
    ["/zones\ton\t-\tzones/twin", "another filesystem is mounted there"],
    ["/broken\ton\t-\tzones/broken", "cannot mount 'zones/broken': I/O error"],
  ] as const;
  const { console, state, done } = await outcome(shell, {
    pools: [{ ...zones, filesystems: [...setUp, ...table.map(([line]) => line)], unmountable: ["zones/broken"] }],
  });
  const told = table.map(([line, why]) => {
    const [mountpoint, , , name] = line.split("\t");
    return `triton: error: ${name} is not mounted on ${mountpoint}: ${why}; see 'zfs get all ${name}'`;
  });
  assert.equal([...console].sort(), [...told, "triton: system pool zones"].sort());
  assert.is(state, "imported zones\n");
  assert.is(done.filter((command) => command.startsWith("zfs mount") && !command.endsWith("broken")).length, 5);
});

test("of two filesystems with the same mountpoint, the system pool's is mounted, in any order of the pools", async () => {
  const tank = { name: "tank", filesystems: ["/opt\ton\t-\ttank/opt", "/tank\ton\t-\ttank"] };
  const { console, done } = await outcome(shell, { pools: [tank, zones] });
  assert.equal(console, [
    "triton: error: tank/opt is not mounted on /opt: another filesystem is mounted there; see 'zfs get all tank/opt'",
    "triton: system pool zones",
  ]);
  assert.is(done.includes("zfs mount zones/opt"), true);
});

test("only filesystems of the system pool may hide files of the image", async () => {
  const bin = (root: string): string => `#!/bin/sh\n[ "$*" != "-A /opt" ] || echo ${root}\n`;
  const zfs = await fakeZfs([{ name: "tank", filesystems: ["/opt\ton\t-\ttank/opt", "/tank\ton\t-\ttank"] }]);
  await using initramfs = await FakeInitramfs.create({
    shell,
    files: zfs.files,
    programs: { ...zfs.programs, ls: bin("custom") },
  });
  await initramfs.run(script);
  assert.is(
    (await initramfs.console())[1],
    "triton: error: tank/opt is not mounted on /opt: the folder is not empty, and only filesystems of the system pool " +
      "may hide files; see 'zfs get all tank/opt'",
  );
});

test("a node whose configuration cannot be mounted does not count as new", async () => {
  for (const [line, why] of [
    ["/opt\ton\tunavailable\tzones/opt", "it is encrypted, and its key is not loaded"],
    ["/opt/triton/config\ton\t-\tzones/config", "cannot mount 'zones/config': I/O error"],
  ] as const) {
    const name = line.split("\t")[3];
    const { console, state, systemPool } = await outcome(shell, {
      pools: [{ ...zones, filesystems: ["/zones\ton\t-\tzones", line], unmountable: ["zones/config"] }],
    });
    assert.is(state, `failed ${name} is not mounted: ${why}\n`);
    assert.is(console.at(-1), `triton: system pool zones, without its configuration: ${name} is not mounted: ${why}`);
    assert.is(systemPool, "/zones/");
  }
});

test("a pool whose filesystems cannot be listed is reported, and its node does not count as new", async () => {
  const why = "the filesystems of pool zones cannot be listed: cannot iterate filesystems: I/O error";
  const { console, state, done } = await outcome(shell, { pools: [{ ...zones, unlistable: true }] });
  assert.equal(console, [
    `triton: error: ${why}; see 'zfs list -r zones'`,
    `triton: system pool zones, without its configuration: ${why}`,
  ]);
  assert.is(state, `failed ${why}\n`);
  assert.equal(done.slice(1), []);
});

test("a filesystem at /usr/triton/config keeps its files, and the configuration in /opt is reported as unused", async () => {
  const zfs = await fakeZfs([zones]);
  const files = {
    ...zfs.files,
    "root/opt/triton/config/triton-setup-state.json": "{}",
    "root/usr/triton/config/kept": "kept",
  };
  await using initramfs = await FakeInitramfs.create({ shell, programs: zfs.programs, files });
  await initramfs.run(script);
  assert.is(await initramfs.read("root/usr/triton/config/kept"), "kept");
  assert.match((await initramfs.console()).join("\n"), "error: the configuration in /opt/triton/config is not used");
});

test("without a configuration on the pool, /usr/triton/config is a folder", async () => {
  const zfs = await fakeZfs([zones]);
  await using initramfs = await FakeInitramfs.create({ shell, programs: zfs.programs, files: zfs.files });
  await initramfs.boot();
  assert.is(await initramfs.mode("root/usr/triton/config"), 0o700);
  assert.is(await readlink(initramfs.path("root/usr/triton/config")).catch(() => "no link"), "no link");
});

test.run();
