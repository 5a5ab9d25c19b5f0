import { chmod, chown, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { importLine, startProgram, userChangeLack } from "../../fixtures/other-process.js";
import { needsRoot, testUnless } from "../../test/runner/skip-test.js";
import { inspectKvmNode, type KvmNode } from "./kvm-node.js";

const test = suite("kvm-node");
const IMPORT = importLine("inspectKvmNode", "./kvm-node.js", import.meta.url);

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
  await using stranger = await startProgram(`${IMPORT}
    process.setuid(${uid});
    console.log(JSON.stringify(await inspectKvmNode(${JSON.stringify(device)})));`);
  return JSON.parse(stranger.line);
}

const DAEMON = 1;
const strangerLack = needsRoot("to inspect as another user") ?? (await userChangeLack());

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
  testUnless(test, title, strangerLack, async () => {
    const node = await inspectAsStranger(mode, DAEMON, uid);
    assert.is(node.kind, "no-permission");
    if (node.kind === "open") return;
    assert.match(node.detail, detail);
    assert.match(node.remedy, remedy);
  });
}

/** Inspects a device in another process. @param words a command that runs the words after it in other namespaces */
async function inspectInside(words: readonly string[], device: string): Promise<KvmNode> {
  const module = JSON.stringify(new URL("./kvm-node.js", import.meta.url).href);
  const code = `import(${module}).then(async (m) => console.log(JSON.stringify(await m.inspectKvmNode(process.argv[1]))))`;
  const [program = "", ...args] = [...words, process.execPath, "-e", code, device];
  return JSON.parse((await runProgram(program, args, { limitMs: 10_000 })).stdout);
}

testUnless(
  test,
  "the refusal of a device that is mounted nodev names the mount",
  needsRoot("to mount a file system"),
  async () => {
    await using dir = await TempDir.create("kvm");
    const device = join(dir.path, "kvm");
    const mount = 'mount -t tmpfs -o nodev none "$0" && mknod -m 666 "$0/kvm" c 10 232 && exec "$@"';
    const words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, dir.path];
    assert.equal(await inspectInside(words, device), {
      kind: "no-permission",
      detail: `${device} cannot be opened, because ${dir.path} is mounted with the option nodev`,
      remedy: `mount -o remount,dev ${dir.path}; or start the container with the device, e.g. docker run --device ${device}`,
    });
  },
);

testUnless(
  test,
  "the refusal to root of a user namespace gives the command that keeps the user's groups",
  needsRoot("to make a device of another user"),
  async () => {
    await using dir = await TempDir.create("kvm");
    const device = join(dir.path, "kvm");
    await writeFile(device, "", { mode: 0o660 });
    await chown(device, 65_534, DAEMON);
    const node = await inspectInside(["unshare", "--user", "--map-root-user"], device);
    assert.is(node.kind, "no-permission");
    assert.match(JSON.stringify(node), /root of this container may not open .* podman run .*--group-add keep-groups/);
  },
);

test.run();
