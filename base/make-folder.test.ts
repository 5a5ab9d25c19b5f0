import { readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thrownBy, within } from "../fixtures/vm-deadline.js";
import { makeFolder } from "./make-folder.js";
import { TempDir } from "./temp-dir.js";

const test = suite("make folder");
const codeOf = async (work: Promise<unknown>): Promise<unknown> => ((await thrownBy(work)) as { code?: string }).code;

test("makeFolder() makes a folder and those above it, also several at once, and accepts one that exists", async () => {
  await using dir = await TempDir.create("folder");
  const deep = join(dir.path, "a/b/c");
  await Promise.all([makeFolder(deep), makeFolder(`${deep}/`), makeFolder(join(dir.path, "a/b/d"))]);
  await makeFolder(deep);
  assert.equal((await readdir(join(dir.path, "a/b"))).sort(), ["c", "d"]);
  await symlink(deep, join(dir.path, "link"));
  await makeFolder(join(dir.path, "link"));
});

test("makeFolder() rejects a path of a file, below a file and through a dangling link", async () => {
  await using dir = await TempDir.create("folder");
  const file = join(dir.path, "file");
  await writeFile(file, "");
  assert.is(await codeOf(makeFolder(file)), "EEXIST");
  assert.is(await codeOf(makeFolder(join(file, "x"))), "ENOTDIR");
  await symlink(join(dir.path, "none"), join(dir.path, "dangling"));
  assert.is(await codeOf(makeFolder(join(dir.path, "dangling"))), "ENOENT");
});

test(
  "makeFolder() rejects a folder in a file system that makes none, such as /proc",
  within(5_000, async () => {
    assert.is(await codeOf(makeFolder("/proc/livelab/none")), "ENOENT");
  }),
);

test.run();
