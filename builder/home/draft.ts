/**
 * Drafts: a file, folder or link that appears under its name completely or not at all, and working folders that are removed
 * with their process. Each is made in a folder `<name>.livelab-<token>` next to its final place:
 *
 *   owner   claimed by the process that makes the content
 *   new     the content
 *
 * A sweep of the parent folder removes the drafts of killed processes: only folders that have such a name and an owner file
 * written by livelab, and only when the owner's claim is free. Files of a user do not look like that.
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
/** Longest part of the target's name in a draft's name, for the reader. The full name could make a file name too long. */
const NAME_CHARACTERS = 40;

/** Whether a name is that of a draft's folder. */
export const isDraftName = (name: string): boolean => /\.livelab-[0-9a-f]{16}$/.test(name);

export class Draft implements AsyncDisposable {
  /** Where the caller makes the content. The path does not exist at first. */
  readonly path: string;
  /** The draft's folder; other files in it are removed with the draft. */
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
   * Begins a draft. Its disposal removes everything that was not committed.
   * @param target final path, in a folder that exists
   * @param asRoot false if its files may belong to ids of our user namespace; see removeTree()
   * @throws BuilderError NO_LOCKS; the file system's error if the folder cannot be made
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
      // A sweep removed the folder after the file was made and before it was claimed: try again.
    }
  }

  /** Moves the content to the target. Replaces a file, a link or an empty folder there, like rename(2). */
  async commit(): Promise<void> {
    await rename(this.path, this.#target);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A failed cleanup must not hide the caller's result: the next sweep removes the rest.
    await removeClaimed(this.folder, this.#claim, this.#asRoot).catch(() => undefined);
  }
}

/** Writes a file completely or not at all. */
export async function replaceFile(path: string, content: string): Promise<void> {
  await using draft = await Draft.begin(path);
  await writeFile(draft.path, content);
  await draft.commit();
}

/** Removes the drafts of this user's killed processes from a folder. @param asRoot see removeTree() */
export async function sweepDrafts(folder: string, asRoot = true): Promise<void> {
  for (const draft of await draftsIn(folder)) {
    const claim = await claimExisting(join(draft, OWNER)).catch((error: unknown) => {
      if (error instanceof BuilderError && error.code === "NOT_WRITABLE") return undefined; // a draft of another user
      throw error;
    });
    if (claim !== undefined) await removeClaimed(draft, claim, asRoot);
  }
}

/** The drafts of a folder that a running process is making, each with its owner, if known. */
export async function liveDrafts(folder: string): Promise<{ folder: string; owner: Owner | undefined }[]> {
  const found: { folder: string; owner: Owner | undefined }[] = [];
  for (const draft of await draftsIn(folder)) {
    const file = join(draft, OWNER);
    if (await isHeld(file)) found.push({ folder: draft, owner: readOwner(file) });
  }
  return found;
}

/** @param folder may be missing */
async function draftsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(ignoreAbsence);
  return entries
    .filter((entry) => entry.isDirectory() && isDraftName(entry.name))
    .map(({ name }) => join(folder, name))
    .filter((draft) => readOwner(join(draft, OWNER)) !== undefined);
}

/** Removes the owner file last, so that the next sweep continues an interrupted removal. */
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
