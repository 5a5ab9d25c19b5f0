import { chmod, link, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { finished, pipeline } from "node:stream/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { createTar, extractTar, readTar } from "./tar-stream.js";

const test = suite("tar stream");

test("extractTar() unpacks the files that createTar() packed", async () => {
  await using dir = await TempDir.create("tar-stream");
  await using target = await TempDir.create("tar-stream");
  await writeFile(join(dir.path, "a"), "text");
  const unpack = extractTar(target.path);
  createTar(dir.path, ["a"], 0).pipe(unpack);
  await finished(unpack);
  assert.is(await readFile(join(target.path, "a"), "utf8"), "text");
});

test("extractTar() fails if a file cannot be written", async () => {
  await using dir = await TempDir.create("tar-stream");
  await writeFile(join(dir.path, "a"), "text");
  const unpack = extractTar("/proc/livelab-cannot-be-here");
  const failure = finished(unpack).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  );
  createTar(dir.path, ["a"], 0).pipe(unpack);
  assert.ok(await failure);
});

test("readTar() returns the wanted files, folders and links of an archive, a hard link as a file", async () => {
  await using dir = await TempDir.create("tar-stream");
  await mkdir(join(dir.path, "f"));
  await chmod(join(dir.path, "f"), 0o750);
  await writeFile(join(dir.path, "f/a"), "text");
  await chmod(join(dir.path, "f/a"), 0o755);
  await link(join(dir.path, "f/a"), join(dir.path, "f/b"));
  await symlink("../f", join(dir.path, "f/c"));
  await writeFile(join(dir.path, "f/unwanted"), "x".repeat(100_000));
  const reader = readTar((path) => path !== "f/unwanted");
  const { process } = await startProgram("tar", ["-c", "-C", dir.path, "--sort=name", "."]);
  await pipeline(process.stdout as Readable, reader.stream);
  const content = Buffer.from("text");
  assert.equal(await reader.files(), [
    { path: "f", kind: "folder", mode: 0o750 },
    { path: "f/a", kind: "file", mode: 0o755, content },
    { path: "f/b", kind: "file", mode: 0o755, content },
    { path: "f/c", kind: "symlink", target: "../f" },
  ]);
});

test("readTar() fails for an archive that ends early, and for bytes that are none", async () => {
  await using dir = await TempDir.create("tar-stream");
  await writeFile(join(dir.path, "a"), "x".repeat(5_000));
  const whole = await buffer(createTar(dir.path, ["a"], 0));
  for (const bytes of [whole.subarray(0, 3_000), Buffer.alloc(2_048, "x")]) {
    const failure = await thrownBy(pipeline(Readable.from([bytes]), readTar(() => true).stream));
    assert.instance(failure, Error);
  }
});

test.run();
