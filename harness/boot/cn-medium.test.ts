import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { isThere } from "../../base/is-there.js";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import type { DiskSpec } from "../../vm/machine-spec.js";
import type { BootMedium } from "./boot-medium.js";
import { layOutMedium } from "./cn-medium.js";

const test = suite("the medium of a CN");
const disks: readonly DiskSpec[] = [{ path: "/disks/data.raw", format: "raw" }];

/** @param at called with the folder during the boot */
async function layOut(medium: BootMedium, at: (folder: string) => Promise<void> = async () => undefined) {
  await using dir = await TempDir.create("cn-medium");
  await using cleanup = new DisposableStack();
  if (medium.kind === "usb" && medium.path === "stick.gz") {
    await writeFile(join(dir.path, "stick.gz"), gzipSync("a stick"));
    medium = { ...medium, path: join(dir.path, "stick.gz") };
  }
  const { signal } = new AbortController();
  const laidOut = await layOutMedium({ medium, disks, reportDir: dir.path }, { cleanup, signal });
  await at(dir.path);
  await cleanup[Symbol.asyncDispose]();
  return { ...laidOut, stickIsLeft: await isThere(join(dir.path, "usb-stick.img")) };
}

test("iPXE boots from the network and adds no disk", async () => {
  const { boot, disks: laidOut } = await layOut({ kind: "ipxe", transport: "http", loaderDir: undefined });
  assert.equal(boot, { kind: "network" });
  assert.equal(laidOut, disks);
});

test("a boot from an ISO has it in the CD drive", async () => {
  const { boot, disks: laidOut } = await layOut({ kind: "iso", path: "/x.iso" });
  assert.equal(boot, { kind: "cdrom", isoPath: "/x.iso" });
  assert.equal(laidOut, disks);
});

test("an ISO on a disk is the first disk, and read-only", async () => {
  const { boot, disks: laidOut } = await layOut({ kind: "iso-disk", path: "/x.iso" });
  assert.equal(boot, { kind: "disk" });
  assert.equal(laidOut, [{ path: "/x.iso", format: "raw", readOnly: true }, ...disks]);
});

test("a USB stick's image is unpacked for the boot and removed after it", async () => {
  let stick = "";
  const { boot, stickIsLeft } = await layOut({ kind: "usb", path: "stick.gz" }, async (folder) => {
    stick = await readFile(join(folder, "usb-stick.img"), "utf8");
  });
  assert.is(boot.kind, "usb");
  assert.is(stick, "a stick");
  assert.not(stickIsLeft);
});

test("a stick that cannot be unpacked is rejected with its path, and no partial file is left", async () => {
  await using dir = await TempDir.create("cn-medium");
  const path = join(dir.path, "broken.gz");
  await writeFile(path, gzipSync("a stick").subarray(0, 20));
  const cleanup = new DisposableStack();
  const { signal } = new AbortController();
  const medium: BootMedium = { kind: "usb", path };
  const error = (await thrownBy(
    layOutMedium({ medium, disks: [], reportDir: dir.path }, { cleanup, signal }),
  )) as Error & { code?: string };
  assert.is(error.code, "MEDIUM_UNREADABLE");
  assert.match(error.message, path);
  await cleanup[Symbol.asyncDispose]();
  assert.not(await isThere(join(dir.path, "usb-stick.img")));
});

test.run();
