import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HOSTILE_NAMES } from "../fixtures/hostile-paths.js";
import { thrownBy } from "../fixtures/vm-deadline.js";
import { TempDir } from "./temp-dir.js";
import { makeWritableFolder } from "./writable-folder.js";

const test = suite("writable folder");

test("makeWritableFolder() makes a folder of any name and leaves it empty", async () => {
  await using dir = await TempDir.create("writable");
  for (const name of HOSTILE_NAMES) {
    await makeWritableFolder(join(dir.path, name));
    assert.equal(await readdir(join(dir.path, name)), []);
  }
});

test("makeWritableFolder() rejects a name that is not UTF-8 and makes no other folder", async () => {
  await using dir = await TempDir.create("writable");
  // Node reads the byte FF in an argument or variable as this character.
  const name = Buffer.from([0x68, 0xff]).toString();
  assert.match(String(await thrownBy(makeWritableFolder(join(dir.path, name)))), "bytes that are not UTF-8");
  assert.equal(await readdir(dir.path), []);
});

test.run();
