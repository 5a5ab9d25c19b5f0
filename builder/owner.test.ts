import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../vm/temp-dir.js";
import { abandonedEntries, OwnerLock, ownerIsAlive, ownerTag } from "./owner.js";

const test = suite("owner");
/** A tag of a process that was: our own pid with a start time that is not ours. */
const dead = `${process.pid}-1`;

test("this process is alive, a pid that was used again is not", async () => {
  assert.ok(ownerIsAlive(ownerTag()));
  assert.not(ownerIsAlive(dead));
  assert.not(ownerIsAlive("nonsense"));
  const child = spawn("true");
  const { pid } = child;
  await once(child, "exit");
  assert.not(ownerIsAlive(`${pid}-123`));
});

test("finds only what dead owners left", async () => {
  await using dir = await TempDir.create("owner");
  for (const name of [`a.${dead}`, `b.${ownerTag()}`, "plain", "20260101T000000Z"]) await mkdir(join(dir.path, name));
  assert.equal(await abandonedEntries(dir.path), [join(dir.path, `a.${dead}`)]);
});

test("a second taker is told who holds the lock; the file is gone at the end", async () => {
  await using dir = await TempDir.create("owner");
  const path = join(dir.path, "lock");
  {
    await using _held = await OwnerLock.take(path, "release X");
    try {
      await OwnerLock.take(path, "release X");
      assert.unreachable();
    } catch (error) {
      assert.is((error as { code?: string }).code, "BUSY");
      assert.match((error as Error).message, `release X is in use by another livelab, process ${process.pid}`);
    }
  }
  assert.equal(await readdir(dir.path), []);
});

test("a dead owner's lock is taken over, by one of many", async () => {
  await using dir = await TempDir.create("owner");
  const path = join(dir.path, "lock");
  await writeFile(path, dead);
  await using _held = await OwnerLock.take(path, "x");
  assert.equal(await readdir(dir.path), ["lock"]);
});

test.run();
