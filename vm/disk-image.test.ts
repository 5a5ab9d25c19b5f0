/** Tests of raw disks. Overlays need QEMU; their tests are in test/machine/disk-image.test.ts. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../base/temp-dir.js";
import { thrownBy } from "../fixtures/vm-deadline.js";
import { createRawDisk } from "./disk-image.js";
import type { VmError } from "./vm-error.js";

const test = suite("raw disk");
const MIB = 1024 * 1024;

test("a raw disk uses no space, and never overwrites another file", async () => {
  await using dir = await TempDir.create("disk");
  const path = join(dir.path, "disk");
  await createRawDisk(path, 64 * 1024 * MIB);
  const { size, blocks } = await stat(path);
  assert.is(size, 64 * 1024 * MIB);
  assert.is(blocks, 0);
  const error = await thrownBy(createRawDisk(path, MIB));
  assert.is((error as VmError).code, "DISK_EXISTS");
  assert.is((await stat(path)).size, 64 * 1024 * MIB);
  const elsewhere = await thrownBy(createRawDisk(join(dir.path, "none/disk"), MIB));
  assert.is((elsewhere as VmError).code, "DISK_NOT_MADE");
});

test.run();
