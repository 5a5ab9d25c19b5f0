/** Archives are read by busybox cpio: an independent reader of the format. test/machine/root-vm.test.ts has a kernel read one. */
import { lstat, mkdir, readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../../base/run-program.js";
import { TempDir } from "../../../base/temp-dir.js";
import type { TarFile } from "../../home/tar-stream.js";
import { cpioArchive } from "./cpio-archive.js";

const test = suite("cpio archive");

async function archiveOf(entries: readonly TarFile[]): Promise<Buffer> {
  async function* each(): AsyncGenerator<TarFile> {
    yield* entries;
  }
  const parts: Buffer[] = [];
  for await (const part of cpioArchive(each())) parts.push(part);
  return Buffer.concat(parts);
}

test("busybox unpacks what it contains, whatever the lengths of names and contents", async () => {
  await using dir = await TempDir.create("cpio");
  const texts = ["", "1", "12", "123", "1234", "x".repeat(70_000)];
  const entries: readonly TarFile[] = [
    { path: "a", kind: "folder", mode: 0o2750 },
    ...texts.map((text, index): TarFile => {
      const path = `a/${"n".repeat(index + 1)}`;
      return { path, kind: "file", mode: 0o4711, content: Buffer.from(text) };
    }),
    { path: "a/é", kind: "symlink", target: "../somewhere" },
  ];
  const file = join(dir.path, "x.cpio");
  await writeFile(file, await archiveOf(entries));
  const root = join(dir.path, "root");
  await mkdir(root);
  await runProgram("sh", ["-euc", 'cd "$1"; exec busybox cpio -i <"$2"', "sh", root, file]);
  assert.is((await lstat(join(root, "a"))).mode, 0o042750);
  for (const [index, text] of texts.entries()) {
    const path = join(root, "a", "n".repeat(index + 1));
    assert.is(await readFile(path, "utf8"), text);
    assert.is((await lstat(path)).mode, 0o104711);
  }
  assert.is(await readlink(join(root, "a/é")), "../somewhere");
});

test("an entry has the fields of the kernel's document, and the owner root", async () => {
  const archive = await archiveOf([{ path: "ab", kind: "file", mode: 0o644, content: Buffer.from("hello") }]);
  const fields = [0x1, 0o100644, 0, 0, 1, 0, 5, 0, 0, 0, 0, 3, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}ab\0`;
  assert.is(archive.toString("latin1", 0, 124), `${header}\0\0\0hello\0\0\0`);
  assert.is(archive.length % 4, 0);
  assert.match(archive.toString("latin1", 124), /^070701[0-9a-f]{104}TRAILER!!!\0+$/);
});

test.run();
