/** Removes what killed processes left in $LIVELAB_HOME: whatever is named for an owner that is gone. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { LivelabHome } from "./home.js";
import { removeTree } from "./machines/remove-tree.js";
import { abandonedEntries } from "./owner.js";

/** Folder of the builder VM's saved states. */
export const savedStates = (home: LivelabHome): string => join(home.vm, "states");

/** @param asRoot whether livelab runs as root */
export async function sweepHome(home: LivelabHome, asRoot: boolean): Promise<void> {
  await mkdir(savedStates(home), { recursive: true });
  for (const folder of [home.layers, home.machines, home.bases, home.vm, home.locks, savedStates(home)]) {
    for (const entry of await abandonedEntries(folder)) await removeTree(entry, asRoot);
  }
}
