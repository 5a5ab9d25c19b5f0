/** The files of the clone according to git: tracked files, and new ones that it would add. */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { readGit } from "../../builder/checkout/read-git.js";

/**
 * Lists regular files only: no removed files, and no links, which may point into the image.
 * @returns paths relative to the root
 * @throws Error if git fails
 */
export async function repositoryFiles(root: string): Promise<readonly string[]> {
  const listed = await readGit(root, ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  const files = listed.split("\0").filter(Boolean);
  const isPlain = await Promise.all(
    files.map(async (file) => (await lstat(join(root, file)).catch(() => undefined))?.isFile()),
  );
  return files.filter((_, index) => isPlain[index]);
}
