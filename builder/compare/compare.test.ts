import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { UsageError } from "../../base/livelab-error.js";
import { silentStep } from "../../base/progress/progress.js";
import { TempDir } from "../../base/temp-dir.js";
import { openHome } from "../home/home.js";
import { compareReleases } from "./compare.js";
import { compareFiles } from "./compare-files.js";
import { compareTrees, type TreeDifference } from "./compare-trees.js";
import { describeComparison, isDifferent } from "./describe-comparison.js";

const test = suite("compare");
const ONE = "20260102T030405Z";
const TWO = "20270102T030405Z";
const line = (path: string, size: number): string =>
  `./${path} type=file mode=0644 uid=0 gid=0 size=${size} sha256digest=${String(size).repeat(64)}\n`;
const manifest = (...lines: string[]): string => `#mtree\n. type=dir mode=0755 uid=0 gid=0\n${lines.join("")}`;

async function writeTree(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

/** Makes out/<stamp> with files and a build.json that has the keys of three stages. */
async function makeRelease(
  root: string,
  stamp: string,
  keys: readonly string[],
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const stages = ["install_live", "install_proto", "postinstall"].map((name, index) => ({
    name,
    key: keys[index],
    reused: false,
    durationMs: 1,
  }));
  const listed = Object.entries(files).map(([name, content]) => ({
    name,
    bytes: content.length,
    sha256: "0".repeat(64),
  }));
  const report = { version: 1, stamp, profile: "bookworm", packages: 1, files: listed, stages };
  await writeTree(join(root, "out", stamp), { ...files, "build.json": JSON.stringify(report) });
}

const files = (stamp: string): Record<string, string> => ({
  vmlinuz: "kernel",
  "filesystem.manifest": manifest(line("etc/a", 1), line("usr/b", 2)),
  "filesystem.squashfs": "squashfs",
  [`platform-${stamp}.tgz`]: "archive",
});

test("two releases whose outputs differ only in the stamp of a name are equal", async () => {
  await using dir = await TempDir.create("compare");
  await makeRelease(dir.path, ONE, ["a", "b", "c"], files(ONE));
  await makeRelease(dir.path, TWO, ["a", "b", "d"], files(TWO));
  const home = await openHome(join(dir.path, "home"));
  const report = await compareReleases({
    sides: [ONE, join(dir.path, "out", TWO)],
    outRoot: join(dir.path, "out"),
    home,
    step: silentStep,
  });
  assert.is(isDifferent(report), false);
  assert.match(describeComparison(report), /all outputs are equal$/);
});

test("the comparison names the first stage, the first file and the paths in the squashfs that differ", async () => {
  await using dir = await TempDir.create("compare");
  await makeRelease(dir.path, ONE, ["a", "b1", "c1"], files(ONE));
  await makeRelease(dir.path, TWO, ["a", "b2", "c2"], {
    ...files(TWO),
    "filesystem.manifest": manifest(line("etc/a", 1), line("usr/b", 3), line("usr/c", 4)),
    "filesystem.squashfs": "squashFS",
    [`platform-${TWO}.tgz`]: "archive, another",
  });
  const home = await openHome(join(dir.path, "home"));
  // The first stage with different inputs has the same output; the next stage does not.
  for (const key of ["b1", "b2"]) await writeTree(join(home.layers, key, "fs"), { "chroot/etc/a": "same" });
  await writeTree(join(home.layers, "c1/fs"), { "chroot/etc/a": "same", "chroot/usr/b": "12" });
  await writeTree(join(home.layers, "c2/fs"), { "chroot/etc/a": "same", "chroot/usr/b": "123", "chroot/usr/c": "1" });
  const report = await compareReleases({ sides: [ONE, TWO], outRoot: join(dir.path, "out"), home, step: silentStep });
  const text = describeComparison(report);
  assert.match(
    text,
    "first stage that differs: postinstall, different inputs; first path of its output that differs: chroot/usr/b (2 and 3 bytes, from byte 2 on)",
  );
  assert.match(text, "also: install_proto, different inputs, same output");
  assert.match(text, "first file that differs: filesystem.manifest");
  assert.match(text, /filesystem\.squashfs: 8 and 8 bytes, from byte 6 on/);
  assert.match(text, new RegExp(`platform-${ONE}\\.tgz: 7 and 16 bytes, from byte 7 on`));
  assert.match(text, "in the squashfs 2 paths differ");
  assert.match(text, /\/usr\/b: size 2 and 3, sha256digest 2+ and 3+/);
  assert.match(text, "/usr/c: only in the second");
  assert.not.match(text, "/etc/a");
});

test("different bytes from the same inputs are reported as not reproducible, and a missing layer is reported", async () => {
  await using dir = await TempDir.create("compare");
  const home = await openHome(join(dir.path, "home"));
  const outRoot = join(dir.path, "out");
  await makeRelease(dir.path, ONE, ["a", "b", "c"], files(ONE));
  await makeRelease(dir.path, TWO, ["a", "b", "c"], { ...files(TWO), vmlinuz: "Kernel", more: "" });
  const text = describeComparison(await compareReleases({ sides: [ONE, TWO], outRoot, home, step: silentStep }));
  assert.match(text, /the build is not reproducible/);
  assert.match(text, /first file that differs: vmlinuz/);
  assert.match(text, /more: only in the second/);
  await makeRelease(dir.path, TWO, ["a", "b", "d"], { ...files(TWO), vmlinuz: "Kernel" });
  assert.match(
    describeComparison(await compareReleases({ sides: [ONE, TWO], outRoot, home, step: silentStep })),
    /postinstall, different inputs; its layers are not in this home, so its output cannot be compared/,
  );
});

test("a removed output and an unreadable manifest are reported as differences", async () => {
  await using dir = await TempDir.create("compare");
  const home = await openHome(join(dir.path, "home"));
  const outRoot = join(dir.path, "out");
  await makeRelease(dir.path, ONE, ["a", "b", "c"], { ...files(ONE), initrd: "initrd" });
  await makeRelease(dir.path, TWO, ["a", "b", "c"], {
    ...files(TWO),
    initrd: "initrd",
    "filesystem.manifest": manifest("./b type=dir mode=0755 uid=0 gid=0\n", "./a type=dir mode=0755 uid=0 gid=0\n"),
  });
  await rm(join(outRoot, ONE, "vmlinuz"));
  for (const stamp of [ONE, TWO]) await rm(join(outRoot, stamp, "initrd"));
  await rm(join(outRoot, TWO, `platform-${TWO}.tgz`));
  const text = describeComparison(await compareReleases({ sides: [ONE, TWO], outRoot, home, step: silentStep }));
  assert.match(
    text,
    /first file that differs: vmlinuz\n {2}vmlinuz: missing in the first, although build\.json lists it/,
  );
  assert.match(text, /initrd: missing in both/);
  assert.match(text, new RegExp(`platform-${ONE}\\.tgz: missing in the second`));
  assert.match(text, new RegExp(`cannot be compared: ${outRoot}/${TWO}/filesystem\\.manifest: line 4 is not sorted`));
});

test("a stage of only one release is reported at its place in the order", async () => {
  await using dir = await TempDir.create("compare");
  const home = await openHome(join(dir.path, "home"));
  const outRoot = join(dir.path, "out");
  await makeRelease(dir.path, ONE, ["a", "b", "c"], files(ONE));
  await makeRelease(dir.path, TWO, ["a", "b", "c2"], { ...files(TWO), vmlinuz: "Kernel" });
  const file = join(outRoot, TWO, "build.json");
  const report = JSON.parse(await readFile(file, "utf8")) as { stages: object[] };
  report.stages.splice(1, 0, { name: "early", key: "e", reused: false, durationMs: 1 });
  await writeFile(file, JSON.stringify(report));
  const compare = async (...sides: [string, string]): Promise<string> =>
    describeComparison(await compareReleases({ sides, outRoot, home, step: silentStep }));
  assert.match(
    await compare(ONE, TWO),
    /stage that differs: early, only in the second\n {2}also: postinstall, different/,
  );
  assert.match(
    await compare(TWO, ONE),
    /stage that differs: early, only in the first\n {2}also: postinstall, different/,
  );
});

test("compareReleases rejects a side that is not a release with a hint, and throws the signal's reason", async () => {
  await using dir = await TempDir.create("compare");
  const home = await openHome(join(dir.path, "home"));
  const outRoot = join(dir.path, "out");
  await makeRelease(dir.path, ONE, ["a", "b", "c"], files(ONE));
  await writeTree(join(outRoot, TWO), { "build.json": '{"version":1,"sta' });
  const errorOf = (second: string, signal?: AbortSignal): Promise<unknown> =>
    compareReleases({ sides: [ONE, second], outRoot, home, step: silentStep, ...(signal && { signal }) }).catch(
      (error: unknown) => error,
    );
  for (const [second, hint] of [
    ["20280102T030405Z", /`livelab releases`.*livelab build -r STAMP/],
    [TWO, /livelab build -r STAMP create_tgz \.\.\./],
  ] as const) {
    const error = (await errorOf(second)) as UsageError;
    assert.is(error.code, "NO_RELEASE");
    assert.match(error.hint ?? "", hint);
  }
  const reason = new Error("enough");
  assert.is(await errorOf(ONE, AbortSignal.abort(reason)), reason);
});

test("compareTrees finds differences in mode, kind, target and content, and missing paths", async () => {
  await using dir = await TempDir.create("compare");
  const [one, two] = [join(dir.path, "one"), join(dir.path, "two")];
  for (const tree of [one, two])
    await writeTree(tree, { "a/mode": "", "b/kind": "", "c/content": "12345", "d/first": "", "e/same": "" });
  await chmod(join(two, "a/mode"), 0o600);
  await rm(join(two, "b/kind"));
  await mkdir(join(two, "b/kind"));
  await writeFile(join(two, "c/content"), "12x45");
  await rm(join(two, "d"), { recursive: true });
  await symlink("x", join(one, "f"));
  await symlink("y", join(two, "f"));
  const found: TreeDifference[] = [];
  for await (const difference of compareTrees(one, two)) found.push(difference);
  assert.equal(
    found.map(({ path }) => path),
    ["a/mode", "b/kind", "c/content", "d", "f"],
  );
  assert.is(found[2]?.how, "5 and 5 bytes, from byte 2 on");
  assert.is(found[3]?.how, "only in the first");
});

test("compareFiles finds a difference beyond the first megabyte", async () => {
  await using dir = await TempDir.create("compare");
  const bytes = Buffer.alloc(2 ** 21 + 7);
  await writeFile(join(dir.path, "one"), bytes);
  assert.is(await compareFiles(join(dir.path, "one"), join(dir.path, "one")), undefined);
  bytes[2 ** 21 + 3] = 1;
  await writeFile(join(dir.path, "two"), bytes);
  assert.is((await compareFiles(join(dir.path, "one"), join(dir.path, "two")))?.offset, 2 ** 21 + 3);
});

test.run();
