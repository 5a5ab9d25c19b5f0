/** builder/stages/mtree.sh, run as a stage runs it, on a tree with unusual names. */
import { chmod, lstat, mkdir, readlink, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProgram } from "../../base/find-program.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { parseManifest } from "../../builder/verify/manifest.js";
import { runAsStage } from "../../fixtures/toy-platform.js";
import { testUnless } from "../runner/skip-test.js";

const test = suite("manifest");
const names = [
  "usr/plain",
  "usr/a name with spaces",
  "usr/-n",
  "usr/system-systemd\\x2dcryptsetup.slice",
  "usr/#=?*[",
  "usr/Főtanúsítvány.crt",
  "usr/b/in",
  "usr/b-beside",
  "usr/boot/kept",
];

async function makeTree(folder: string): Promise<string> {
  const root = join(folder, "chroot");
  for (const name of [...names, "boot/vmlinuz", "tmp/x"]) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), name);
  }
  await mkdir(join(folder, "scratch"));
  await chmod(join(root, "usr/plain"), 0o4755);
  await symlink("/etc//a b\\c", join(root, "usr/link"));
  return root;
}

test("mtree describes type, mode, owner, size, digest and target of every path, and omits the content of excluded folders", async () => {
  await using dir = await TempDir.create("manifest");
  const root = await makeTree(dir.path);
  const entries = parseManifest(await runAsStage(dir.path, ["mtree"], 'mtree "$CHROOT" boot tmp absent'));
  assert.equal(
    [...entries.keys()].sort(),
    ["", "boot", "tmp", "usr", "usr/b", "usr/boot", "usr/link", ...names].sort(),
  );
  for (const { path, type, keywords } of entries.values()) {
    const found = await lstat(join(root, path));
    assert.is(type, found.isFile() ? "file" : found.isSymbolicLink() ? "link" : "dir", path);
    assert.is(Number.parseInt(keywords.get("mode") ?? "", 8), found.mode & 0o7777, path);
    assert.is(keywords.get("uid"), String(found.uid));
    assert.is(keywords.get("size"), found.isFile() ? String(found.size) : undefined, path);
  }
  assert.is(
    entries.get("usr/link")?.keywords.get("link"),
    (await readlink(join(root, "usr/link"))).replaceAll(
      /[ \\]/g,
      (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`,
    ),
  );
  const { stdout } = await runProgram("sha256sum", [join(root, "usr/plain")]);
  assert.is(entries.get("usr/plain")?.keywords.get("sha256digest"), stdout.slice(0, 64));
});

test("mtree describes a tree equally with and without the processor's instructions for SHA-256", async () => {
  await using dir = await TempDir.create("manifest");
  await makeTree(dir.path);
  const describe = (before: string): Promise<string> => runAsStage(dir.path, ["mtree"], `${before} mtree "$CHROOT"`);
  const withoutThem = await describe("grep() { return 1; };"); // of /proc/cpuinfo
  assert.match(withoutThem, "./usr/plain type=file");
  assert.is(await describe(""), withoutThem);
});

test("mtree fails for a name with a line break, instead of describing another path", async () => {
  await using dir = await TempDir.create("manifest");
  const root = await makeTree(dir.path);
  await writeFile(join(root, "usr/two\nlines"), "");
  const failure = await runAsStage(dir.path, ["mtree"], 'mtree "$CHROOT"').catch((error: { stderr: string }) => error);
  assert.match((failure as { stderr: string }).stderr, "contains a line break");
});

const byLibarchive = "libarchive reads the same paths from a manifest";
const readByLibarchive = async (): Promise<void> => {
  await using dir = await TempDir.create("manifest");
  await makeTree(dir.path);
  const file = join(dir.path, "manifest");
  await writeFile(file, await runAsStage(dir.path, ["mtree"], 'mtree "$CHROOT" boot tmp'));
  const { stdout } = await runProgram("bsdtar", ["-t", "-f", file], { env: { ...process.env, LC_ALL: "C.UTF-8" } });
  const listed = stdout.trimEnd().split("\n");
  assert.equal(
    listed.sort(),
    [
      ".",
      ...["boot", "tmp", "usr", "usr/b", "usr/boot", "usr/link", ...names].map(
        (name) => `./${name.replaceAll("\\", "\\\\")}`,
      ),
    ].sort(),
  );
};
const lack = (await findProgram("bsdtar")) === undefined ? "bsdtar is not installed (libarchive-tools)" : undefined;
testUnless(test, byLibarchive, lack, readByLibarchive);

test.run();
