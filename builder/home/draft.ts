/**
 * Things being made: a file, folder or link that appears under its name whole or not at all, and working folders that
 * go with their process. Each is made in a folder `<name>.livelab-<token>` beside its place:
 *
 *   owner   claimed by the process that makes the thing
 *   new     the thing
 *
 * What a killed process left is removed when somebody sweeps the folder: only folders with that name and with an owner file
 * that livelab wrote, and only once their owner's claim is free. Nothing that a user makes looks like that.
 */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BuilderError } from "../builder-error.js";
import { type Claim, claimExisting, formatOwner, isHeld, type Owner, readOwner, thisProcess } from "./owner.js";
import { removeTree } from "./remove-tree.js";

const OWNER = "owner";
const CONTENT = "new";
/** Of the name of the thing, for people who look into the folder; the whole may be too long for a file name. */
const NAME_CHARACTERS = 40;

/** Whether a name is that of a folder in which something is made. */
export const isDraftName = (name: string): boolean => /\.livelab-[0-9a-f]{16}$/.test(name);

export class Draft implements AsyncDisposable {
  /** Where to make the thing. Nothing is there yet. */
  readonly path: string;
  /** The folder around it, for what else goes with the draft. */
  readonly folder: string;
  readonly #target: string;
  readonly #claim: Claim;
  readonly #asRoot: boolean;

  private constructor(folder: string, target: string, claim: Claim, asRoot: boolean) {
    this.path = join(folder, CONTENT);
    this.folder = folder;
    this.#target = target;
    this.#claim = claim;
    this.#asRoot = asRoot;
  }

  /**
   * Begins a thing; disposing of it removes what was not committed.
   * @param target where it goes, in a folder that exists
   * @param asRoot false when its files may belong to ids of our user namespace; see removeTree()
   * @throws BuilderError NO_LOCKS; the file system's error when the folder cannot be made
   */
  static async begin(target: string, asRoot = true): Promise<Draft> {
    for (;;) {
      const name = basename(target).slice(0, NAME_CHARACTERS);
      const folder = join(dirname(target), `${name}.livelab-${randomBytes(8).toString("hex")}`);
      await mkdir(folder);
      try {
        writeFileSync(join(folder, OWNER), formatOwner(thisProcess()), { flag: "wx" });
        const claim = await claimExisting(join(folder, OWNER));
        if (claim !== undefined) return new Draft(folder, target, claim, asRoot);
      } catch (error) {
        await rm(folder, { recursive: true, force: true });
        throw error;
      }
      // Somebody who sweeps came between the making of the file and its lock, and has removed the folder.
    }
  }

  /** Moves the thing to its place. A file, a link or an empty folder there is replaced, as rename(2) does. */
  async commit(): Promise<void> {
    await rename(this.path, this.#target);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What the thing is for counts, not the tidying up: the next sweep removes the rest.
    await removeClaimed(this.folder, this.#claim, this.#asRoot).catch(() => undefined);
  }
}

/** Writes a file whole or not at all. */
export async function replaceFile(path: string, content: string): Promise<void> {
  await using draft = await Draft.begin(path);
  await writeFile(draft.path, content);
  await draft.commit();
}

/** Removes what killed processes of this user left half made in a folder. @param asRoot see removeTree() */
export async function sweepDrafts(folder: string, asRoot = true): Promise<void> {
  for (const draft of await draftsIn(folder)) {
    const claim = await claimExisting(join(draft, OWNER)).catch((error: unknown) => {
      if (error instanceof BuilderError && error.code === "NOT_WRITABLE") return undefined; // another user's
      throw error;
    });
    if (claim !== undefined) await removeClaimed(draft, claim, asRoot);
  }
}

/** The drafts of a folder that a process makes now, each with its owner as far as known. */
export async function liveDrafts(folder: string): Promise<{ folder: string; owner: Owner | undefined }[]> {
  const found: { folder: string; owner: Owner | undefined }[] = [];
  for (const draft of await draftsIn(folder)) {
    const file = join(draft, OWNER);
    if (await isHeld(file)) found.push({ folder: draft, owner: readOwner(file) });
  }
  return found;
}

/** @param folder which may not exist */
async function draftsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(ignoreAbsence);
  return entries
    .filter((entry) => entry.isDirectory() && isDraftName(entry.name))
    .map(({ name }) => join(folder, name))
    .filter((draft) => readOwner(join(draft, OWNER)) !== undefined);
}

/** The owner file goes last: a removal that is cut short is gone on with by the next sweep. */
async function removeClaimed(folder: string, claim: Claim, asRoot: boolean): Promise<void> {
  try {
    const names = await readdir(folder).catch(ignoreAbsence);
    for (const name of names.filter((entry) => entry !== OWNER)) await removeTree(join(folder, name), asRoot);
    await rm(folder, { recursive: true, force: true });
  } finally {
    claim.close();
  }
}

function ignoreAbsence(error: NodeJS.ErrnoException): never[] {
  if (error.code === "ENOENT") return [];
  throw error;
}
