import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UsageError } from "../../base/livelab-error.js";
import { TempDir } from "../../base/temp-dir.js";
import { findTestFiles, testFileOf } from "./test-files.js";

const test = suite("files of tests");

/** A clone with one compiled file of each kind. */
async function clone() {
  const dir = await TempDir.create("test-files");
  const dist = join(dir.path, "dist");
  for (const name of [
    "base/format.js",
    "base/format.test.js",
    "test/image/kvm.test.js",
    "test/machine/boot.test.js",
    "test/project/setup.test.js",
    "test/run.js",
  ]) {
    await mkdir(join(dist, name, ".."), { recursive: true });
    await writeFile(join(dist, name), "");
  }
  return { dir, places: { root: dir.path, dist, cwd: dir.path } };
}

test("test files are found in dist/, with their kind: unit, program, machine or image", async () => {
  const { dir, places } = await clone();
  await using _ = dir;
  assert.equal(
    (await findTestFiles(places.dist)).map(({ name, kind }) => [name, kind]),
    [
      ["base/format.test.ts", "unit"],
      ["test/image/kvm.test.ts", "image"],
      ["test/machine/boot.test.ts", "machine"],
      ["test/project/setup.test.ts", "program"],
    ],
  );
});

test("a test file can be named by its source or its compiled file, from any folder", async () => {
  const { dir, places } = await clone();
  await using _ = dir;
  const expected = join(places.dist, "base/format.test.js");
  for (const argument of ["base/format.test.ts", "dist/base/format.test.js", expected]) {
    assert.is(testFileOf(argument, places).path, expected, argument);
  }
  assert.is(testFileOf("format.test.ts", { ...places, cwd: join(dir.path, "base") }).path, expected);
  assert.is(testFileOf("test/machine/boot.test.ts", places).kind, "machine");
});

test("a test file can be named relative to the folder that npm was called in", async () => {
  const { dir, places } = await clone();
  await using _ = dir;
  const expected = join(places.dist, "base/format.test.js");
  const callerCwd = join(dir.path, "base");
  assert.is(testFileOf("format.test.ts", { ...places, callerCwd }).path, expected);
  assert.is(testFileOf("base/format.test.ts", { ...places, callerCwd }).path, expected);
});

test("an unknown test file is rejected with the most similar name", async () => {
  const { dir, places } = await clone();
  await using _ = dir;
  const near: [argument: string, meant: string][] = [
    ["base/format.ts", "base/format.test.ts"],
    ["format.test.ts", "base/format.test.ts"],
    ["vm/formats.test.ts", "base/format.test.ts"],
    ["builder/format.test.js", "base/format.test.ts"],
    ["machine/boot", "test/machine/boot.test.ts"],
  ];
  for (const [argument, meant] of near) {
    assert.throws(() => testFileOf(argument, places), `${argument} is not a test file; did you mean ${meant}?`);
  }
  assert.throws(() => testFileOf("quite/other.test.ts", places), /is not a test file$/);
});

test("an argument that is not a test file is rejected with a hint", async () => {
  const { dir, places } = await clone();
  await using _ = dir;
  for (const argument of ["vm/absent.test.ts", "base/format.ts", "/etc/passwd", ".."]) {
    assert.throws(
      () => testFileOf(argument, places),
      (error: unknown) => error instanceof UsageError && error.message.includes(argument),
      argument,
    );
  }
});

test.run();
