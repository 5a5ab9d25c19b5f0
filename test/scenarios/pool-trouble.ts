/**
 * Pools that another machine used, pools that lack disks, and pools that the operator destroys. The pools:
 *   zones     the system pool, last used by machine A, which lost its power
 *   pair      exported by A; machine B has only one of its two disks
 *   striped   exported by A; machine B has only one of its two disks, so it cannot import the pool
 *   moved     exported by A; then used by B, which shuts down
 */
import { join } from "node:path";
import { findProjectRoot } from "../../base/project-root.js";
import { expectEqual, expectTrue } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import { hostidOf } from "../../harness/cn-files/hostid.js";
import { type Claim, consoleNeverSays, consoleSays, type Scenario } from "../../harness/scenarios/scenario.js";
import { systemPoolState } from "./system-pool-state.js";

const nodeConfigPath = join(findProjectRoot(), "fixtures/node.config");
// No NIC is configured, so the console has no networkd milestone.
const milestones = milestoneNames.filter((name) => name !== "networkd");

/** A real server's UUID, and one whose hostid begins with zeros. */
const machineA = { nodeConfigPath, uuid: "44454c4c-4200-1035-8052-b4c04f384c32" };
const machineB = { nodeConfigPath, uuid: "4c4c4544-0042-3510-8052-000000000050" };

const hostidIs: Claim = {
  title: "the hostid is that of the system UUID, in early boot, after it and in the kernel",
  verify: async ({ run, plan, recorder }) => {
    const expected = hostidOf(plan.uuid);
    expectEqual("hostid", await run("hostid"), expected);
    const early = recorder.reached.find(({ name }) => name === "hostid");
    expectEqual("the hostid of early boot", early?.detail.split(" ").at(-1), expected);
    await run("modprobe zfs");
    const kernel = await run("cat /sys/module/spl/parameters/spl_hostid");
    expectEqual("the kernel module's hostid", Number(kernel), Number.parseInt(expected, 16));
  },
};

const poolNames = async (run: (command: string) => Promise<string>): Promise<string[]> =>
  (await run("zpool list -H -o name")).split("\n");

const makePools: readonly Claim[] = [
  hostidIs,
  {
    title: "the pools can be created",
    verify: async ({ run }) => {
      await run("zpool create -f zones /dev/vda && touch /zones/.system_pool && zfs create zones/var");
      await run("zpool create -f pair mirror /dev/vdb /dev/vdc && touch /pair/kept");
      await run("zpool create -f striped /dev/vdd /dev/vde");
      await run("zpool create -f moved /dev/vdf && touch /moved/kept");
      await run("for pool in pair striped moved; do zpool export $pool || exit; done; sync");
      expectEqual("the list of imported pools", await poolNames(run), ["zones"]);
    },
  },
];

const foreign: readonly Claim[] = [
  hostidIs,
  consoleSays(
    "a pool of another machine is not imported, and the console names that machine and what to do",
    new RegExp(
      "^triton: error: pool zones: not imported: pool was previously in use from another system. Last accessed by \\S+ " +
        `\\(hostid=${hostidOf(machineA.uuid)}\\) at .*; make sure that no other machine uses its disks, boot with noimport=true, ` +
        "run 'zpool import -fN zones', and reboot$",
    ),
  ),
  consoleSays(
    "a pool that lacks a required disk is not imported, and the console says what to do",
    /^triton: error: pool striped: not imported: .* \(\S+ is missing or not readable\); attach the missing disks, and reboot$/,
  ),
  consoleSays(
    "early boot waited for the missing disks",
    /^triton: waiting up to \d+ s for the missing disks of pool (pair|striped)$/,
  ),
  consoleSays(
    "a pool that lacks a redundant disk is imported, and reported as degraded",
    /^triton: error: pool pair is DEGRADED; see 'zpool status pair'/,
  ),
  consoleSays(
    "the console's result is that the node has no system pool, but is not new",
    /^triton: system pool none, but not a new node: .*pool zones: not imported: .*pool striped: not imported: |^triton: system pool none, but not a new node: .*pool striped: not imported: .*pool zones: not imported: /,
  ),
  {
    title: "the state file for sysinfo and setup says that the node is not new",
    verify: async ({ run }) => {
      const state = await run("head -n 1 /run/triton/system-pool.state");
      expectTrue("the state is failed", state.startsWith("failed "), state);
    },
  },
  {
    title: "the other pools are imported and mounted",
    verify: async ({ run }) => {
      expectEqual("the list of pools", await poolNames(run), ["moved", "pair"]);
      await run("test -e /pair/kept && test -e /moved/kept");
    },
  },
];

const leftAlone: readonly Claim[] = [
  systemPoolState("noimport"),
  consoleSays("the console says why no pool is imported", /^triton: system pool not imported \(noimport=true\)$/),
  consoleNeverSays("nothing is destroyed", /^triton: .*destroyed/),
  {
    title: "no pool is imported then or later, and all can be imported",
    verify: async ({ run }) => {
      await run("systemctl is-system-running --wait || true");
      await run("modprobe zfs");
      expectEqual("the list of pools", await run("zpool list -H"), "");
      const listed = await run("zpool import");
      const names = [...listed.matchAll(/^ {3}pool: (.*)$/gm)].map(([, name]) => name).sort();
      expectEqual("the list of pools to import", names, ["moved", "pair", "striped", "zones"]);
    },
  },
];

const gone: readonly Claim[] = [
  {
    title: "every pool was imported, that of B without force after its shutdown, and destroyed",
    verify: async ({ run }) => {
      const [word, ...names] = (await run("head -n 1 /run/triton/system-pool.state")).split(" ");
      expectEqual("the state", [word, ...names.sort()], ["destroyed", "moved", "pair", "zones"]);
      expectEqual("the list of pools", await run("zpool list -H"), "");
    },
  },
  consoleNeverSays("every pool could be imported", /not imported/),
  {
    title: "no pool is left to import, and no ZFS filesystem is mounted",
    verify: async ({ run }) => {
      expectEqual("pools to import", await run("zpool import 2>&1 || true"), "no pools available to import");
      expectEqual("mounts", await run("grep -c ' zfs ' /proc/mounts || true"), "0");
      await run("test ! -e /run/triton/system_pool");
    },
  },
];

export const poolTrouble: Scenario = {
  name: "pool-trouble",
  summary: "Pools are never imported by force, and destroyed only when the operator requests it.",
  disks: { zones: 256, pair1: 256, pair2: 256, stripe1: 256, stripe2: 256, moved: 256 },
  boots: [
    {
      name: "machine-a", // ends by losing its power
      fixtures: { ...machineA, append: ["zfs_modprobe_sleep=0"] },
      disks: ["zones", "pair1", "pair2", "stripe1", "stripe2", "moved"],
      milestones,
      claims: makePools,
    },
    {
      name: "machine-b",
      fixtures: { ...machineB, append: ["zfs_modprobe_sleep=30"] },
      disks: ["zones", "pair1", "stripe1", "moved"],
      milestones,
      claims: foreign,
      ending: { command: "reboot", end: "guest-reset" },
    },
    {
      name: "noimport",
      fixtures: { ...machineA, append: ["destroy_zpools=true", "noimport=true"] },
      disks: ["zones", "pair1", "pair2", "stripe1", "stripe2", "moved"],
      milestones,
      claims: leftAlone,
    },
    {
      name: "destroy-zpools",
      fixtures: { ...machineA, append: ["destroy_zpools=true"] },
      disks: ["zones", "pair1", "pair2", "moved"],
      milestones,
      claims: gone,
    },
  ],
};
