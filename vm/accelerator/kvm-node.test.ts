import { chmod, chown, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { needsRoot, testUnless } from "../../test/runner/skip-test.js";
import { inspectKvmNode, type KvmNode } from "./kvm-node.js";

const test = suite("kvm-node");

test("inspectKvmNode reports a device that can be opened as open", async () => {
  await using dir = await TempDir.create("kvm");
  const device = join(dir.path, "kvm");
  await writeFile(device, "");
  assert.equal(await inspectKvmNode(device), { kind: "open" });
});

test("inspectKvmNode reports a missing device with the command that creates it", async () => {
  const node = await inspectKvmNode("/dev/livelab-no-kvm");
  assert.is(node.kind, "no-node");
  assert.match(JSON.stringify(node), "modprobe kvm_intel");
});

/** Inspects a device of a group as a user who is not in the group. */
async function inspectAsStranger(mode: number, gid: number, uid = 65_534): Promise<KvmNode> {
  await using dir = await TempDir.create("kvm");
  const device = join(dir.path, "kvm");
  await writeFile(device, "");
  await chmod(dir.path, 0o755);
  await chown(device, 0, gid);
  await chmod(device, mode);
  process.seteuid?.(uid);
  try {
    return await inspectKvmNode(device);
  } finally {
    process.seteuid?.(0);
  }
}

const DAEMON = 1;

for (const [title, mode, detail, remedy, uid] of [
  [
    "the refusal names the group that may open the device, and the command that adds the user to it",
    0o660,
    /open to the group daemon$/,
    /usermod -aG daemon /,
    65_534,
  ],
  [
    "the refusal of a device that only its owner may open names the commands that open it to a group",
    0o600,
    /only its owner may$/,
    /chgrp kvm .*chmod 660/,
    65_534,
  ],
  [
    "the refusal names a user without an entry in /etc/passwd by number, and the group to add to the container",
    0o660,
    /^user 1234567 may not open /,
    /docker run --group-add 1,/,
    1_234_567,
  ],
  [
    "the refusal of an owner's device to a user without a name gives the commands for a container",
    0o600,
    /^user 1234567 may not open /,
    /chmod 660 .*docker run --group-add kvm/,
    1_234_567,
  ],
] as const) {
  testUnless(test, title, needsRoot("to inspect as another user"), async () => {
    const node = await inspectAsStranger(mode, DAEMON, uid);
    assert.is(node.kind, "no-permission");
    if (node.kind === "open") return;
    assert.match(node.detail, detail);
    assert.match(node.remedy, remedy);
  });
}

testUnless(
  test,
  "the refusal of a device on a nodev mount names the mount, not a group, also to root",
  needsRoot("to mount a file system"),
  async () => {
    await using dir = await TempDir.create("kvm");
    const module = JSON.stringify(new URL("./kvm-node.js", import.meta.url).href);
    const inspect = `import(${module}).then(async ({ inspectKvmNode }) => console.log(JSON.stringify(await inspectKvmNode("kvm"))))`;
    const mount = 'mount -t tmpfs -o nodev none "$0" && cd "$0" && mknod -m 660 kvm c 10 232 && exec "$1" -e "$2"';
    const words = ["--mount", "--propagation", "private", "sh", "-c", mount, dir.path, process.execPath, inspect];
    const { stdout } = await runProgram("unshare", words, { limitMs: 10_000 });
    const node = JSON.parse(stdout) as KvmNode;
    assert.is(node.kind, "no-permission");
    assert.match(
      stdout,
      /^\{.*kvm cannot be opened, although its permissions allow it: its file system is mounted nodev/,
    );
    assert.match(stdout, "docker run --device kvm");
  },
);

test.run();
