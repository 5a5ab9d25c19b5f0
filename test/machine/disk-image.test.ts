import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { halt, say, writeBootDisk, writeDisk } from "../../fixtures/vm-guest-code.js";
import { smallMachine } from "../../fixtures/vm-small-machine.js";
import { createOverlay } from "../../vm/disk-image.js";
import { launchMachine } from "../../vm/machine.js";
import { SerialLine } from "../../vm/serial/serial-line.js";
import type { VmError } from "../../vm/vm-error.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const test = suite("disk image");
const MIB = 2 ** 20;

/** Reads the header of a qcow2 file: magic, backing file and virtual size. Source: QEMU docs/interop/qcow2, "Header". */
async function readHeader(path: string) {
  const header = await readFile(path);
  const nameAt = Number(header.readBigUInt64BE(8));
  return {
    magic: header.toString("latin1", 0, 3),
    backing: header.toString("utf8", nameAt, nameAt + header.readUInt32BE(16)),
    bytes: Number(header.readBigUInt64BE(24)),
  };
}

/** Boots a disk whose guest prints a message and writes to the disk. */
async function bootAndWrite(path: string, workDir: string): Promise<void> {
  const disks = [{ path, format: "qcow2" }] as const;
  await using machine = await launchMachine(smallMachine(path, { disks }), { workDir });
  await using line = await SerialLine.open(machine.serialPath("ttyS1"));
  const said = new Promise((resolve) => line.onData(resolve));
  await machine.resume();
  await said;
}

test(
  "a guest boots from an overlay and writes to it, not to the backing file",
  within(10_000, async () => {
    await using dir = await TempDir.create("overlay");
    const backing = join(dir.path, "the backing, file");
    await writeBootDisk(backing, writeDisk, say("ttyS1", "written"), halt);
    const before = await readFile(backing);
    const one = join(dir.path, "one");
    await createOverlay(one, { backing, backingFormat: "raw" });
    assert.equal(await readHeader(one), { magic: "QFI", backing, bytes: MIB });
    const two = join(dir.path, "two");
    await createOverlay(two, { backing: one, backingFormat: "qcow2", bytes: 3 * 1024 * MIB });
    assert.equal(await readHeader(two), { magic: "QFI", backing: one, bytes: 3 * 1024 * MIB });
    const empty = (await stat(two)).size;
    await bootAndWrite(two, dir.path);
    assert.ok((await stat(two)).size > empty, "the guest's sector is in the overlay");
    assert.equal(await readFile(backing), before);
  }),
);

test(
  "an overlay is at least as large as its backing file, in whole sectors",
  within(5_000, async () => {
    await using dir = await TempDir.create("overlay");
    const backing = join(dir.path, "backing");
    await writeFile(backing, Buffer.alloc(1000));
    const path = join(dir.path, "overlay");
    await createOverlay(path, { backing, backingFormat: "raw", bytes: 512 });
    assert.is((await readHeader(path)).bytes, 1024);
  }),
);

test(
  "an overlay is rejected without leftovers if its backing file is missing or not qcow2, or the path exists",
  within(10_000, async () => {
    await using dir = await TempDir.create("overlay");
    const path = join(dir.path, "overlay");
    const backing = join(dir.path, "backing");
    const make = async (at: string, backingFormat: "raw" | "qcow2") =>
      ((await thrownBy(createOverlay(at, { backing, backingFormat }))) as VmError).code;
    assert.is(await make(path, "raw"), "BACKING_UNUSABLE");
    await writeFile(backing, Buffer.alloc(MIB));
    assert.is(await make(path, "qcow2"), "BACKING_UNUSABLE");
    assert.is(await make(backing, "raw"), "DISK_EXISTS");
    assert.equal(await readdir(dir.path), ["backing"]);
  }),
);

const DISK_FULL = "an overlay without space on the host is reported and removed";
testUnless(
  test,
  DISK_FULL,
  needsRoot("to mount a small file system"),
  within(5_000, async () => {
    await using dir = await TempDir.create("overlay");
    await using full = await TempDir.create("full");
    await runProgram("mount", ["-t", "tmpfs", "-o", "size=64k", "livelab-test", full.path]);
    try {
      const backing = join(dir.path, "backing");
      await writeFile(backing, Buffer.alloc(MIB));
      const error = await thrownBy(createOverlay(join(full.path, "disk"), { backing, backingFormat: "raw" }));
      assert.is((error as VmError).code, "DISK_NOT_MADE");
      assert.match((error as VmError).message, "No space left on device");
      assert.equal(await readdir(full.path), []);
    } finally {
      await runProgram("umount", [full.path]);
    }
  }),
);

test.run();
