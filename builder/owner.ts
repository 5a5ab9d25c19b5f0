/**
 * Who owns a folder or lock that must not outlive its livelab process.
 * An owner tag is "<pid>-<start time>": a pid alone is used again by the kernel, together they are not (proc(5), stat field 22).
 */
import { readFileSync } from "node:fs";
import { link, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuilderError } from "./builder-error.js";

/** Start time of a process in clock ticks since boot, or undefined when there is no such process. */
function startTime(pid: number): string | undefined {
  try {
    // The command name in field 2 may hold spaces and parentheses: count from the last ")".
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/** The tag of this process. */
export function ownerTag(): string {
  return `${process.pid}-${startTime(process.pid)}`;
}

/** Whether the process that made the tag still runs. */
export function ownerIsAlive(tag: string): boolean {
  const [pid, started] = tag.split("-");
  return started !== undefined && startTime(Number(pid)) === started;
}

/** Whether a name ends in an owner tag: something that is being written. */
const isTagged = (name: string): boolean => /\.\d+-\d+$/.test(name);

/** Entries of `folder` named "<anything>.<owner tag>" whose owner is gone. */
export async function abandonedEntries(folder: string): Promise<string[]> {
  const entries = await readdir(folder);
  return entries
    .filter((entry) => isTagged(entry) && !ownerIsAlive(entry.slice(entry.lastIndexOf(".") + 1)))
    .map((entry) => join(folder, entry));
}

/** The error for what another process holds. @param what its name in the message @param holder its owner tag */
export function busy(what: string, holder: string): BuilderError {
  const pid = holder.split("-")[0];
  return new BuilderError("BUSY", `${what} is in use by another livelab, process ${pid}`, {
    hint: `wait for it to end, or end it (kill ${pid})`,
  });
}

/** A lock file held by one process; taken over when that process is gone. */
export class OwnerLock implements AsyncDisposable {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @param what what is locked, for the message @throws BuilderError BUSY when another process holds it */
  static async take(path: string, what: string): Promise<OwnerLock> {
    const mine = `${path}.${ownerTag()}`;
    await writeFile(mine, ownerTag());
    try {
      for (;;) {
        // A link appears whole or not at all, and never replaces another.
        const taken = await link(mine, path).then(
          () => true,
          (error: NodeJS.ErrnoException) => {
            if (error.code === "EEXIST") return false;
            throw error;
          },
        );
        if (taken) return new OwnerLock(path);
        const holder = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
          if (error.code === "ENOENT") return undefined; // given back since: try again
          throw error;
        });
        if (holder === undefined) continue;
        if (ownerIsAlive(holder)) throw busy(what, holder);
        const moved = `${mine}.dead`;
        await rename(path, moved).catch(() => undefined);
        const buried = await readFile(moved, "utf8").catch(() => "");
        if (buried !== "" && ownerIsAlive(buried)) {
          // Somebody took it over between our look and our move: give it back.
          await link(moved, path).catch(() => undefined);
          throw busy(what, buried);
        }
        await rm(moved, { force: true });
      }
    } finally {
      await rm(mine, { force: true });
      await rm(`${mine}.dead`, { force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#path, { force: true });
  }
}
