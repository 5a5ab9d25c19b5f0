import { randomBytes } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { needsRoot, testUnless } from "../../test/runner/skip-test.js";
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

test("a target that cannot be made is the host's failure, with its path", async () => {
  await using dir = await TempDir.create("unpack");
  const from = join(dir.path, "disk.gz");
  await writeFile(from, gzipSync("a disk"));
  const error = await unpackSparse(from, join(from, "disk")).catch((thrown) => thrown);
  assert.equal([error.code, error.kind], ["LOG_NOT_WRITABLE", "host"]);
  assert.match(error.message, join(from, "disk"));
});

const fullDisk = "a disk that gets full is the host's failure, with the target's path";
testUnless(test, fullDisk, needsRoot("to mount the small file system"), fillDisk);

async function fillDisk(): Promise<void> {
  await using dir = await TempDir.create("unpack");
  const [from, full] = [join(dir.path, "disk.gz"), join(dir.path, "full")];
  await writeFile(from, gzipSync(randomBytes(4 * 2 ** 20)));
  await mkdir(full);
  const program = `import { unpackSparse } from ${JSON.stringify(new URL("./unpack-sparse.js", import.meta.url).href)};
    const { code, message } = await unpackSparse(process.argv[1], process.argv[2]).catch((error) => error);
    console.log(JSON.stringify({ code, message }));`;
  const { stdout } = await runProgram("unshare", [
    ...["--mount", "--propagation", "private", "sh", "-euc"],
    'mount -t tmpfs -o size=1m tmpfs "$1"; exec "$2" --input-type=module -e "$3" "$4" "$1/disk"',
    ...["sh", full, process.execPath, program, from],
  ]);
  const { code, message } = JSON.parse(stdout);
  assert.is(code, "LOG_NOT_WRITABLE");
  assert.match(message, `cannot write ${join(full, "disk")}: ENOSPC`);
}

test.run();
