import { mkdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../vm/temp-dir.js";
import { checkOutputFolder, findOutputs, linkLatest } from "./outputs.js";
import type { Release } from "./release.js";

const test = suite("outputs");
const STAMP = "20260102T030405Z";
const release = (key: string): Release => ({
  version: 1,
  stamp: STAMP,
  profile: "bookworm",
  machine: "sandbox",
  stages: [{ name: "create_tgz", key, reused: false, durationMs: 1 }],
});

async function makeOutputs(outRoot: string, key: string): Promise<void> {
  await mkdir(join(outRoot, STAMP), { recursive: true });
  await writeFile(join(outRoot, STAMP, "vmlinuz"), "kernel");
  const { version, stamp, profile, stages } = release(key);
  const files = [{ name: "vmlinuz", bytes: 6, sha256: "x" }];
  await writeFile(join(outRoot, STAMP, "SHA256SUMS"), "x  vmlinuz\n");
  await writeFile(
    join(outRoot, STAMP, "build.json"),
    JSON.stringify({ version, stamp, profile, packages: 1, files, stages }),
  );
}

test("are found when they are whole and made by the release's stages", async () => {
  await using dir = await TempDir.create("outputs");
  assert.is(await findOutputs(dir.path, release("one")), undefined);
  await makeOutputs(dir.path, "one");
  assert.is((await findOutputs(dir.path, release("one")))?.packages, 1);
});

test("of another run of the stages, cut short, or with a file missing count as none", async () => {
  await using dir = await TempDir.create("outputs");
  await makeOutputs(dir.path, "one");
  assert.is(await findOutputs(dir.path, release("two")), undefined);
  await writeFile(join(dir.path, STAMP, "vmlinuz"), "ker");
  assert.is(await findOutputs(dir.path, release("one")), undefined);
  await makeOutputs(dir.path, "one");
  await rm(join(dir.path, STAMP, "SHA256SUMS"));
  assert.is(await findOutputs(dir.path, release("one")), undefined);
  await makeOutputs(dir.path, "one");
  await writeFile(join(dir.path, STAMP, "build.json"), '{"version":1,"sta');
  assert.is(await findOutputs(dir.path, release("one")), undefined);
});

test("out/latest moves even where it points at a folder", async () => {
  await using dir = await TempDir.create("outputs");
  await mkdir(join(dir.path, "20250101T000000Z"));
  await symlink("20250101T000000Z", join(dir.path, "latest"));
  await linkLatest(dir.path, STAMP);
  assert.is(await readlink(join(dir.path, "latest")), STAMP);
});

test("a folder that cannot be made is told with its path", async () => {
  await using dir = await TempDir.create("outputs");
  await writeFile(join(dir.path, "file"), "");
  try {
    await checkOutputFolder(join(dir.path, "file/out"));
    assert.unreachable();
  } catch (error) {
    assert.is((error as { code?: string }).code, "NOT_WRITABLE");
    assert.match((error as Error).message, "file/out cannot be written");
  }
});

test.run();
