import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../vm/temp-dir.js";
import { unpackSparse } from "./unpack-sparse.js";

const test = suite("unpack sparse");

test("a disk comes out byte for byte, and its zeros take no room", async () => {
  await using dir = await TempDir.create("unpack");
  const [from, to] = [join(dir.path, "disk.gz"), join(dir.path, "disk")];
  const disk = Buffer.alloc(16 * 1024 * 1024 + 3);
  disk.write("boot sector", 0);
  disk.write("in the middle", 9 * 1024 * 1024 + 17);
  await writeFile(from, gzipSync(disk));
  await writeFile(to, Buffer.alloc(32 * 1024 * 1024, "old"));
  await unpackSparse(from, to);
  assert.ok(disk.equals(await readFile(to)));
  const { blocks } = await stat(to);
  assert.ok(blocks * 512 <= 4 * 64 * 1024, `${blocks} blocks`);
});

for (const [what, bytes] of [
  ["what is no gzip", Buffer.from("not gzip")],
  ["a file cut short", gzipSync(Buffer.alloc(1_000_000, "abc")).subarray(0, 500)],
] as const) {
  test(`${what} is a usage error that names the file`, async () => {
    await using dir = await TempDir.create("unpack");
    const from = join(dir.path, "disk.gz");
    await writeFile(from, bytes);
    const error = await unpackSparse(from, join(dir.path, "disk")).catch((thrown) => thrown);
    assert.is(error.code, "MEDIUM_UNREADABLE");
    assert.match(error.message, from);
  });
}

test.run();
