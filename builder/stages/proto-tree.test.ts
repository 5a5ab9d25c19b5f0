import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { digestOf } from "../profile/digest.js";
import { describeTree, narrowTree, streamTree } from "./proto-tree.js";

const test = suite("proto tree");
const digestTree = async (folder: string): Promise<string> => digestOf(await describeTree(folder));

async function makeTree(folder: string, mode: { program: number; file: number }): Promise<void> {
  await mkdir(join(folder, "usr/bin"), { recursive: true });
  await writeFile(join(folder, "usr/bin/tool"), "#!/bin/sh\n");
  await chmod(join(folder, "usr/bin/tool"), mode.program);
  await writeFile(join(folder, "usr/conf"), "x");
  await chmod(join(folder, "usr/conf"), mode.file);
  await symlink("conf", join(folder, "usr/link"));
}

test("a checkout's umask changes neither digest nor bytes", async () => {
  await using dir = await TempDir.create("proto-tree");
  const [open, narrow] = [join(dir.path, "open"), join(dir.path, "narrow")];
  await makeTree(open, { program: 0o775, file: 0o664 });
  await makeTree(narrow, { program: 0o700, file: 0o600 });
  assert.is(await digestTree(open), await digestTree(narrow));
  const bytes = await buffer(await streamTree(open, 1_700_000_000));
  assert.ok(bytes.equals(await buffer(await streamTree(narrow, 1_700_000_000))));
  // ustar: mode is the octal text at byte 100 of a header, names are sorted.
  assert.is(bytes.toString("latin1", 0, 12), "usr/bin/tool");
  assert.match(bytes.toString("latin1", 100, 108), /755/);
});

test("content, executable bit and link target each change the digest", async () => {
  await using dir = await TempDir.create("proto-tree");
  const tree = join(dir.path, "tree");
  await makeTree(tree, { program: 0o755, file: 0o644 });
  const digests = new Set([await digestTree(tree)]);
  await chmod(join(tree, "usr/conf"), 0o755);
  digests.add(await digestTree(tree));
  await writeFile(join(tree, "usr/conf"), "y");
  digests.add(await digestTree(tree));
  await symlink("bin/tool", join(tree, "usr/link2"));
  digests.add(await digestTree(tree));
  assert.is(digests.size, 4);
  assert.is((await readFile(join(tree, "usr/link2"), "utf8")).length, 10);
});

test("a narrowed description keeps files of the folders and all links, and only the paths of other files", () => {
  const tree = { "a/b/file": "file 1", "a/bc": "program 2", "other/link": "link ../a" };
  assert.equal(narrowTree(tree, ["a/b"]), { "a/b/file": "file 1", "a/bc": "other", "other/link": "link ../a" });
});

test.run();
