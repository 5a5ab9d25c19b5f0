import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { digestImage, readImageFolder } from "./image-folder.js";

const test = suite("image folder");

async function makeImage(folder: string, names: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of names) await writeFile(join(folder, name), name);
}
const parts = ["vmlinuz", "initrd", "filesystem.squashfs"];

test("readImageFolder() takes the stamp from the folder's name, also through a link and for x86_64/", async () => {
  await using dir = await TempDir.create("image-folder");
  await makeImage(join(dir.path, "20260102T030405Z"), parts);
  await symlink("20260102T030405Z", join(dir.path, "latest"));
  const image = await readImageFolder(join(dir.path, "latest"));
  assert.is(image.stamp, "20260102T030405Z");
  assert.is(image.files.vmlinuz.sizeBytes, 7);
  assert.is(image.hashFiles, undefined);
  // printf vmlinuz | sha256sum
  assert.is(
    (await digestImage(image)).sha256.vmlinuz,
    "42f083196bf0997a4f9c37295e311eb5012aa59e383c15b8ba466070af14cd8f",
  );

  await makeImage(join(dir.path, "platform-20260708T091011Z/x86_64"), parts);
  assert.is((await readImageFolder(join(dir.path, "platform-20260708T091011Z"))).stamp, "20260708T091011Z");
});

test("readImageFolder() takes the stamp from etc/version/platform if the folder's name has none", async () => {
  await using dir = await TempDir.create("image-folder");
  await makeImage(dir.path, parts);
  await mkdir(join(dir.path, "etc/version"), { recursive: true });
  await writeFile(join(dir.path, "etc/version/platform"), "20260102T030405Z\n");
  assert.is((await readImageFolder(dir.path)).stamp, "20260102T030405Z");
});

test("hash files count only as a pair, and a single one is a warning", async () => {
  await using dir = await TempDir.create("image-folder");
  await makeImage(dir.path, [...parts, "initrd.hash"]);
  const half = await readImageFolder(dir.path);
  assert.is(half.hashFiles, undefined);
  assert.match(half.warnings[0]?.problem ?? "", "has initrd.hash only");
  await makeImage(dir.path, ["filesystem.squashfs.hash"]);
  const whole = await readImageFolder(dir.path);
  assert.ok(whole.hashFiles);
  assert.not.match(whole.warnings.map(({ problem }) => problem).join(), "hash");
});

test("a vmlinuz that is not a kernel is a warning", async () => {
  await using dir = await TempDir.create("image-folder");
  await makeImage(dir.path, parts);
  const image = await readImageFolder(dir.path);
  assert.is(image.kernelIsLinux, false);
  assert.match(image.warnings[0]?.problem ?? "", "is not a Linux kernel");
  await writeFile(join(dir.path, "vmlinuz"), Buffer.concat([Buffer.alloc(0x202), Buffer.from("HdrS")]));
  assert.is((await readImageFolder(dir.path)).kernelIsLinux, true);
});

test("digestImage() warns of a missing part and goes on, and stops without a warning when the signal aborts", async () => {
  await using dir = await TempDir.create("image-folder");
  await makeImage(dir.path, parts);
  const image = await readImageFolder(dir.path);
  await rm(join(dir.path, "initrd"));
  const { sha256, warnings } = await digestImage(image);
  assert.equal(Object.keys(sha256), ["vmlinuz", "filesystem.squashfs"]);
  assert.is(warnings.length, 1);
  assert.is(warnings[0]?.file, join(dir.path, "initrd"));
  assert.match(warnings[0]?.problem ?? "", "ENOENT");
  assert.equal(await digestImage(image, AbortSignal.abort()), { sha256: {}, warnings: [] });
});

test("readImageFolder() rejects a folder with missing parts and names them", async () => {
  await using dir = await TempDir.create("image-folder");
  await makeImage(dir.path, ["vmlinuz"]);
  try {
    await readImageFolder(dir.path);
    assert.unreachable();
  } catch (error) {
    assert.is((error as { code?: string }).code, "IMAGE_INCOMPLETE");
    assert.match((error as Error).message, "no initrd, no filesystem.squashfs");
  }
});

test.run();
