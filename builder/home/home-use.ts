/**
 * Shared and exclusive use of $LIVELAB_HOME: builds, shells and downloads share it, gc needs it exclusively.
 * Each process that uses the home keeps a draft "in-use" in machines/ while it lives; a sweep removes those of killed ones.
 */
import { rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { Draft, liveDrafts } from "./draft.js";
import type { LivelabHome } from "./home.js";
import { busy, formerOwner, isHeld, OwnerLock, readOwner } from "./owner.js";

const gcLock = (home: LivelabHome): string => join(home.root, "gc.lock");
const MARK = "in-use";

/** This process's marks, by folder of machines. */
const marks = new Map<string, Promise<Draft>>();
/** Folders of the marks that this process has made. */
const folders = new Set<string>();
/** Homes that this process uses exclusively. */
const alone = new Set<string>();

function removeMarks(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

/** Marks the home as used until this process ends. @throws BuilderError BUSY while gc runs; NO_LOCKS, NOT_WRITABLE */
export async function markInUse(home: LivelabHome): Promise<void> {
  let mark = marks.get(home.machines);
  if (mark === undefined) {
    mark = makeMark(home);
    marks.set(home.machines, mark);
    mark.catch(() => marks.delete(home.machines));
  }
  await mark;
}

async function makeMark(home: LivelabHome): Promise<Draft> {
  const mark = await Draft.begin(join(home.machines, MARK));
  // First mark, then check gc's lock; gc first locks, then checks for marks. So at least one of the two sees the other.
  if (!alone.has(home.root) && (await isHeld(gcLock(home)))) {
    const owner = readOwner(gcLock(home));
    await mark[Symbol.asyncDispose]();
    throw busy(home.root, owner);
  }
  if (folders.size === 0) process.once("exit", removeMarks);
  folders.add(mark.folder);
  return mark;
}

/** Takes exclusive use of the home. @throws BuilderError BUSY while another process uses it; NO_LOCKS, NOT_WRITABLE */
export async function takeAlone(home: LivelabHome): Promise<AsyncDisposable> {
  const lock = await OwnerLock.take(gcLock(home), home.root);
  const isOthers = ({ folder }: { folder: string }): boolean =>
    basename(folder).startsWith(`${MARK}.`) && !folders.has(folder);
  try {
    const other = (await liveDrafts(home.machines)).find(isOthers);
    if (other !== undefined) throw busy(home.root, other.owner);
    for (const name of await readdir(home.machines)) {
      const former = formerOwner(name);
      if (former?.isRunning) throw busy(home.root, former.owner);
    }
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
  alone.add(home.root);
  return {
    [Symbol.asyncDispose]: async () => {
      alone.delete(home.root);
      await lock[Symbol.asyncDispose]();
    },
  };
}
