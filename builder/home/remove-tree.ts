/** Removes a tree whose files may belong to ids that only our user namespace knows. */
import { rm } from "node:fs/promises";
import { runAsMappedRoot } from "../machines/sandbox/namespaces.js";

/**
 * @param asRoot whether livelab runs as root
 * @throws BuilderError NO_NAMESPACES if the removal needs a user namespace and the host refuses one
 */
export async function removeTree(path: string, asRoot: boolean): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: asRoot ? 3 : 0 });
  } catch (error) {
    if (asRoot) throw error;
    // Files that belong to our other ids can only be removed as root of a namespace that maps these ids.
    await runAsMappedRoot(["rm", "-rf", "--", path]);
  }
}
