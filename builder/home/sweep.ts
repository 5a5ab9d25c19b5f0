/** Removes drafts of killed processes from $LIVELAB_HOME. */
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { sweepDrafts } from "./draft.js";
import type { LivelabHome } from "./home.js";
import { isKeyName } from "./key-name.js";
import { claimExisting, formerOwner } from "./owner.js";
import { removeTree } from "./remove-tree.js";

/** Folder of the builder VM's saved states. */
export const savedStates = (home: LivelabHome): string => join(home.vm, "states");

/** Keeps the drafts of running processes, also of those in other containers. @param asRoot whether livelab runs as root */
export async function sweepHome(home: LivelabHome, asRoot: boolean): Promise<void> {
  await mkdir(savedStates(home), { recursive: true });
  const folders = [
    home.layers,
    home.machines,
    home.bases,
    home.tools,
    home.vm,
    savedStates(home),
    join(home.store, "tmp"),
  ];
  folders.push(...(await foldersIn(home.builds)), ...(await foldersIn(join(home.store, "artifacts"))));
  for (const folder of folders) await sweepDrafts(folder, asRoot);
}

/**
 * In addition removes free lock files, and drafts of former versions. The caller must use the home exclusively: otherwise
 * these look like files in use.
 */
export async function sweepHomeAlone(home: LivelabHome, asRoot: boolean): Promise<void> {
  await sweepHome(home, asRoot);
  for (const name of (await readdir(home.locks)).filter(isKeyName)) {
    (await claimExisting(join(home.locks, name)))?.release();
  }
  for (const folder of [home.machines, home.vm]) {
    for (const name of await readdir(folder)) {
      if (formerOwner(name)?.isRunning === false) await removeTree(join(folder, name), asRoot);
    }
  }
}

/** Paths of the folders in a folder, which may be missing. */
async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
}
