import { mkdir, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { needsRoot, testUnless } from "../../test/runner/skip-test.js";
import type { BuilderError } from "../builder-error.js";
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

test("findOutputs() finds complete outputs that the release's stages made", async () => {
  await using dir = await TempDir.create("outputs");
  assert.is(await findOutputs(dir.path, release("one")), undefined);
  await makeOutputs(dir.path, "one");
  assert.is((await findOutputs(dir.path, release("one")))?.packages, 1);
});

test("findOutputs() ignores outputs of another run of the stages, truncated ones, and those that lack a file", async () => {
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

test("linkLatest() replaces out/latest, also if it points at a folder", async () => {
  await using dir = await TempDir.create("outputs");
  await mkdir(join(dir.path, "20250101T000000Z"));
  await symlink("20250101T000000Z", join(dir.path, "latest"));
  await linkLatest(dir.path, STAMP);
  assert.is(await readlink(join(dir.path, "latest")), STAMP);
});

test("checkOutputFolder() names the folder that it cannot make", async () => {
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

test("checkOutputFolder() rejects a file or folder named latest, and accepts a link, also a dangling one", async () => {
  await using dir = await TempDir.create("outputs");
  const latest = join(dir.path, "latest");
  for (const make of [() => writeFile(latest, "precious"), () => mkdir(latest)]) {
    await make();
    try {
      await checkOutputFolder(dir.path);
      assert.unreachable();
    } catch (error) {
      const { code, message, hint } = error as BuilderError;
      assert.is(code, "NOT_WRITABLE");
      assert.match(message, `${latest} is not a link`);
      assert.match(hint ?? "", "livelab build -o DIR");
    }
    assert.equal(await readdir(dir.path), ["latest"]);
    await rm(latest, { recursive: true });
  }
  await symlink(STAMP, latest);
  await checkOutputFolder(dir.path);
  await mkdir(join(dir.path, STAMP));
  await checkOutputFolder(dir.path);
});

const EXPORT = join(findProjectRoot(), "dist/fixtures/full-disk-outputs.js");

test("outputs leave a user's files and folders in the same folder unchanged, whatever their names", async () => {
  await using dir = await TempDir.create("outputs");
  const out = join(dir.path, "out");
  const users = ["photos.2024-06", "notes.1-2", "a.livelab-2024", "a.livelab-0123456789abcdef", `${STAMP}.old.4711-1`];
  for (const name of users) {
    await mkdir(join(out, name), { recursive: true });
    await writeFile(join(out, name, "precious"), "");
  }
  for (const name of ["minutes.2024-07", "b.livelab-0123456789abcdef", `latest.${process.pid}-1`]) {
    users.push(name);
    await writeFile(join(out, name), "");
  }
  const { stdout } = await runProgram(process.execPath, [EXPORT, out], {
    env: { ...process.env, TMPDIR: dir.path },
  });
  assert.equal(JSON.parse(stdout).errors, []);
  assert.equal((await readdir(out)).sort(), [...users, STAMP, "latest"].sort());
  for (const name of users.slice(0, 5)) assert.equal(await readdir(join(out, name)), ["precious"]);
});

/** Runs fixtures/full-disk-outputs.ts with a private file system at out/. */
async function exportTo(
  folder: string,
  mountOptions: string,
): Promise<{ errors: { code: string; message: string; hint: string }[]; entries: string[] }> {
  await mkdir(join(folder, "out"));
  const { stdout } = await runProgram(
    "unshare",
    [
      ...["--mount", "--propagation", "private", "sh", "-euc"],
      'mount -t tmpfs -o "$2" tmpfs "$1/out"; exec "$3" "$4" "$1/out"',
      ...["sh", folder, mountOptions, process.execPath, EXPORT],
    ],
    { env: { ...process.env, TMPDIR: folder } },
  );
  return JSON.parse(stdout);
}

const cases: [string, () => Promise<void>][] = [
  [
    "exportOutputs() on a full disk leaves no partial outputs, and keeps the previous ones",
    async () => {
      await using dir = await TempDir.create("outputs");
      const { errors, entries } = await exportTo(dir.path, "size=2m");
      assert.is(errors[0]?.code, "HOST_DISK_FULL");
      assert.match(errors[0]?.message ?? "", join(dir.path, "out"));
      assert.match(errors[0]?.hint ?? "", `livelab build -r ${STAMP}`);
      assert.equal(entries.sort(), [STAMP, `${STAMP}/old`]);
    },
  ],
  [
    "exportOutputs() on a disk with enough space replaces the previous outputs",
    async () => {
      await using dir = await TempDir.create("outputs");
      const { errors, entries } = await exportTo(dir.path, "size=20m");
      assert.equal(errors, []);
      const names = ["SHA256SUMS", "build.json", "filesystem.packages", "filesystem.squashfs"];
      assert.equal(entries.sort(), [STAMP, ...names.map((name) => `${STAMP}/${name}`), "latest"].sort());
    },
  ],
  [
    "checkOutputFolder() rejects a folder on a read-only file system, also for root",
    async () => {
      await using dir = await TempDir.create("outputs");
      const { errors } = await exportTo(dir.path, "ro");
      assert.is(errors[0]?.code, "NOT_WRITABLE");
    },
  ],
];
for (const [title, work] of cases) {
  testUnless(test, title, needsRoot("to mount the small file system"), work);
}

test.run();
