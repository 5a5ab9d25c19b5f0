/**
 * Who uses $LIVELAB_HOME now: builds, shells and downloads share it, gc wants it alone.
 * Each user leaves a mark in machines/ for as long as its process lives; what a killed one leaves is swept.
 */
import { rmSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LivelabHome } from "./home.js";
import { busy, OwnerLock, ownerIsAlive, ownerTag } from "./owner.js";

const gcLock = (home: LivelabHome): string => join(home.root, "gc.lock");
const PREFIX = "in-use.";

const marks = new Set<string>();
const removeMarks = (): void => {
  for (const mark of marks) rmSync(mark, { force: true });
};

/** Marks the home as used until this process ends. @throws BuilderError BUSY while gc runs */
export async function markInUse(home: LivelabHome): Promise<void> {
  const mark = join(home.machines, `${PREFIX}${ownerTag()}`);
  await writeFile(mark, "");
  if (marks.size === 0) process.once("exit", removeMarks);
  marks.add(mark);
  // Looked for after the mark is there, as gc looks for marks after its lock is: one of the two sees the other.
  const holder = await readFile(gcLock(home), "utf8").catch(() => "");
  if (holder !== ownerTag() && ownerIsAlive(holder)) throw busy(home.root, holder);
}

/** Takes the home for one process alone. @throws BuilderError BUSY while anything else uses it */
export async function takeAlone(home: LivelabHome): Promise<OwnerLock> {
  const lock = await OwnerLock.take(gcLock(home), home.root);
  const users = (await readdir(home.machines))
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => name.slice(PREFIX.length));
  const other = users.find((tag) => tag !== ownerTag() && ownerIsAlive(tag));
  if (other === undefined) return lock;
  await lock[Symbol.asyncDispose]();
  throw busy(home.root, other);
}
