/** Removes a tree whose files may belong to ids that only our user namespace knows. */
import { rm } from "node:fs/promises";
import { runAsMappedRoot } from "../machines/sandbox/namespaces.js";

/** @param asRoot whether livelab runs as root @throws BuilderError NO_NAMESPACES when that takes one, and none is to be had */
export async function removeTree(path: string, asRoot: boolean): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: asRoot ? 3 : 0 });
  } catch (error) {
    if (asRoot) throw error;
    // Some of it is not ours to remove out here; as root of a namespace that has our other ids, it is.
    await runAsMappedRoot(["rm", "-rf", "--", path]);
  }
}
