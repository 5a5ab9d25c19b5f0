import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { HOSTILE_NAMES } from "../fixtures/hostile-paths.js";
import { thrownBy } from "../fixtures/vm-deadline.js";
import { TempDir } from "./temp-dir.js";
import { makeWritableFolder } from "./writable-folder.js";

const test = suite("writable folder");

test("a folder of any name is made and left empty", async () => {
  await using dir = await TempDir.create("writable");
  for (const name of HOSTILE_NAMES) {
    await makeWritableFolder(join(dir.path, name));
    assert.equal(await readdir(join(dir.path, name)), []);
  }
});

test("a name that is not UTF-8 is refused, and no other folder is made in its stead", async () => {
  await using dir = await TempDir.create("writable");
  // What Node reads of the byte FF in an argument or variable.
  const name = Buffer.from([0x68, 0xff]).toString();
  assert.match(String(await thrownBy(makeWritableFolder(join(dir.path, name)))), "bytes that are not UTF-8");
  assert.equal(await readdir(dir.path), []);
});

test.run();
