import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { createTar, extractTar } from "./tar-stream.js";

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

test.run();
