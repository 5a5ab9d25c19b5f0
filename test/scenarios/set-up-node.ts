/**
 * A server is set up, boots with its disk appearing late, and boots after a factory reset.
 * The set-up repeats the commands of sdc-headnode's joysetup.sh for pool and configuration.
 */
import { join } from "node:path";
import { findProjectRoot } from "../../base/project-root.js";
import { expectEqual, expectTrue } from "../../harness/boot/expect.js";
import { milestoneNames } from "../../harness/boot/milestones.js";
import { hostidOf } from "../../harness/cn-files/hostid.js";
import { type BootedCn, type Claim, consoleSays, type Scenario } from "../../harness/scenarios/scenario.js";
import { noUnitHasFailed } from "./every-cn.js";
import { installedUnits, installUnits } from "./installed-units.js";
import { systemPoolState } from "./system-pool-state.js";

const fixturesFolder = join(findProjectRoot(), "fixtures");
const fixtures = {
  networkingPath: join(fixturesFolder, "networking.json"),
  nodeConfigPath: join(fixturesFolder, "node.config"),
};

/** A claim that every one of the commands succeeds. */
const does = (title: string, ...commands: readonly string[]): Claim => ({
  title,
  verify: async ({ run }) => {
    for (const command of commands) await run(command);
  },
});

/** A command that prints the fingerprints of the keys that sshd presents. */
const presentedKeys =
  "ssh-keyscan -t ed25519,ecdsa localhost 2>/dev/null | ssh-keygen -lf - | awk '{ print $2 }' | sort";

/** The mounted ZFS filesystems as "MOUNTPOINT DATASET", sorted. */
const mounted = async ({ run }: BootedCn): Promise<string[]> =>
  (await run("awk '$3 == \"zfs\" { print $2, $1 }' /proc/mounts")).split("\n").sort();

const setUp: readonly Claim[] = [
  systemPoolState("none"),
  does(
    "setup's pool and datasets can be created",
    "zpool create -f zones /dev/vda && touch /zones/.system_pool",
    "zfs create zones/config && zfs create -o mountpoint=none zones/cores",
    "zfs create -o mountpoint=/zones/global/cores -o quota=1g zones/cores/global",
    "zfs create -s -V 64M zones/dump && zfs create -o mountpoint=/opt zones/opt",
    // As joysetup does: fill the dataset at a temporary place, then mount it on /var.
    "zfs create -o atime=on zones/var && (cd /var && find . -xdev | cpio --quiet -pdm /zones/var)",
    "zfs set mountpoint=/var zones/var && mountpoint /var",
  ),
  does(
    "an operator's datasets, units and users can be created",
    "zfs create -o canmount=off -o mountpoint=none zones/platform",
    "zfs create -o canmount=off zones/platform/etc && zfs create -o canmount=off zones/platform/etc/systemd",
    "for kind in system network; do zfs create -o mountpoint=/etc/systemd/$kind zones/platform/etc/systemd/$kind; done",
    "zfs create -o mountpoint=/etc/sysusers.d zones/platform/etc/sysusers.d",
    "echo 'u operator 4000 - /home/operator' >/etc/sysusers.d/kept.conf",
    "printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh -c \"echo ran >/run/kept\"\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/kept.service",
    "systemctl enable kept.service && systemctl mask zfs-zed.service",
    "printf '[NetDev]\\nName=kept0\\nKind=dummy\\n' >/etc/systemd/network/90-kept.netdev",
    "zfs create -o mountpoint=/var/lib/instances zones/lxdpool && zfs create zones/lxdpool/c1 && zfs create zones/lxdpool2",
    "echo passphrase | zfs create -o encryption=on -o keyformat=passphrase -o pbkdf2iters=100000 -o mountpoint=/secret zones/secret",
  ),
  does(
    "the configuration can be moved to the pool, as setup does",
    "mkdir -p /opt/triton && mv /usr/triton/config /opt/triton/ && ln -s /opt/triton/config /usr/triton/config",
    "echo '{ \"complete\": true }' >/opt/triton/config/triton-setup-state.json",
    `${presentedKeys} >/opt/keys && test -s /opt/keys`,
    "cp /etc/machine-id /opt/machine-id && zfs snapshot zones/opt@set-up",
  ),
];

const backAgain: readonly Claim[] = [
  consoleSays(
    "early boot waited for the late disk",
    /^triton: waiting up to 1\d\d s for a disk with the system pool on it$/,
  ),
  systemPoolState("imported zones"),
  {
    title: "the console names the pool, and the link to it exists",
    verify: async ({ run, recorder }) => {
      const said = recorder.reached.find(({ name }) => name === "system-pool");
      expectEqual("the console line", said?.detail, "triton: system pool zones");
      expectEqual("the link", await run("readlink /run/triton/system_pool"), "/zones/");
    },
  },
  {
    title: "every dataset is mounted at its mountpoint, except those that early boot must leave out",
    verify: async (cn) =>
      expectEqual("the list of mounts", await mounted(cn), [
        "/etc/systemd/network zones/platform/etc/systemd/network",
        "/etc/systemd/system zones/platform/etc/systemd/system",
        "/etc/sysusers.d zones/platform/etc/sysusers.d",
        "/opt zones/opt",
        "/var zones/var",
        "/zones zones",
        "/zones/config zones/config",
        "/zones/global/cores zones/cores/global",
        "/zones/lxdpool2 zones/lxdpool2",
      ]),
  },
  consoleSays(
    "the encrypted dataset is not mounted, and the console says why",
    /^triton: error: zones\/secret is not mounted on \/secret: it is encrypted, and its key is not loaded; /,
  ),
  {
    title: "sshd presents the same host keys as before",
    verify: async ({ run }) => expectEqual("the fingerprints", await run(presentedKeys), await run("cat /opt/keys")),
  },
  {
    title: "hostid and machine-id are the same as before, also in the pool's label after the new root has written it",
    verify: async ({ run, plan }) => {
      const hostid = hostidOf(plan.uuid);
      expectEqual("hostid", await run("hostid"), hostid);
      await run("zpool set comment=later zones && zpool sync zones");
      const label = await run("zdb -l /dev/vda1");
      expectTrue("the label has the comment", label.includes("comment: 'later'"), label);
      expectEqual("the label's hostid", /^ {4}hostid: (\d+)$/m.exec(label)?.[1], String(Number.parseInt(hostid, 16)));
      expectEqual("machine-id", await run("cat /etc/machine-id"), await run("cat /opt/machine-id"));
    },
  },
  {
    title: "the configuration is that of the pool, and contains this boot's node.config",
    verify: async ({ run, plan }) => {
      expectEqual("the folder", await run("readlink -f /usr/triton/config"), "/opt/triton/config");
      await run("test -s /usr/triton/config/triton-setup-state.json");
      expectEqual(
        "node.config",
        `${await run("cat /usr/triton/config/node.config")}\n`,
        plan.nodeConfig?.bytes.toString(),
      );
    },
  },
  {
    title: "the pool's units take effect: one has started, and one is masked",
    verify: async ({ run }) => {
      expectEqual("the unit's output", await run("cat /run/kept"), "ran");
      expectEqual("the masked unit", await run("systemctl is-enabled zfs-zed.service || true"), "masked");
      expectEqual(
        "the image's units",
        await run("systemctl is-active ssh.service systemd-networkd.service"),
        "active\nactive",
      );
    },
  },
  {
    title: "the pool's users exist",
    verify: async ({ run }) => expectEqual("the user's number", await run("id -u operator"), "4000"),
  },
  {
    title: "the pool's network configuration takes effect",
    verify: async ({ run }) => expectTrue("kept0 exists", (await run("ip link show kept0")).includes("kept0"), ""),
  },
  {
    title: "dpkg reads the image's package state, not that of the pool's /var",
    verify: async ({ run }) => {
      expectEqual("dpkg's folder", await run("readlink -f /var/lib/dpkg"), "/.var/lib/dpkg");
      await run("dpkg -s zfsutils-linux");
    },
  },
  {
    title: "the files of a snapshot are readable",
    verify: async ({ run }) =>
      expectEqual(
        "the copy in it",
        await run("cat /opt/.zfs/snapshot/set-up/machine-id"),
        await run("cat /opt/machine-id"),
      ),
  },
  noUnitHasFailed,
];

const asNew: readonly Claim[] = [
  systemPoolState("destroyed zones"),
  consoleSays(
    "the console names the destroyed pool and the reason",
    /^triton: pool zones destroyed \(smartdc:factoryreset=yes\)$/,
  ),
  {
    title: "the server has no pool and no ZFS mount, and no pool is left to import",
    verify: async (cn) => {
      expectEqual("the list of pools", await cn.run("zpool list -H"), "");
      expectEqual("the list of mounts", await mounted(cn), [""]);
      expectEqual("pools to import", await cn.run("zpool import 2>&1 || true"), "no pools available to import");
      await cn.run("test ! -e /run/triton/system_pool && test ! -L /usr/triton/config");
    },
  },
];

export const setUpNode: Scenario = {
  name: "set-up-node",
  summary: "A server keeps its pool, keys, configuration and units across boots, and is new after a factory reset.",
  disks: { system: 1024 },
  boots: [
    {
      name: "set-up",
      fixtures,
      disks: ["system"],
      milestones: milestoneNames,
      claims: [...setUp, installUnits],
      ending: { command: "poweroff", end: "guest-shutdown" },
    },
    {
      name: "late-disk",
      fixtures: { ...fixtures, append: ["zfs_modprobe_sleep=120"] },
      plugs: [{ disk: "system", when: /^triton: waiting up to 1\d\d s for a disk/ }],
      milestones: milestoneNames,
      claims: [...backAgain, ...installedUnits],
      ending: { command: "printf 'y\\ny\\n' | sdc-factoryreset", end: "guest-reset" },
    },
    { name: "factory-reset", fixtures, disks: ["system"], milestones: milestoneNames, claims: asNew },
  ],
};
