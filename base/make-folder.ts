/** Makes folders of a user's choice: `mkdir -p`. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder, and those above it that are missing.
 * Node's own recursive mkdir() never ends where the file system answers ENOENT to every new name, as /proc does.
 * @throws Error of the file system if it cannot be made, or is not a folder
 */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path).catch(async (error: NodeJS.ErrnoException) => {
    const parent = dirname(path);
    if (error.code !== "ENOENT" || parent === path) return assertFolder(path, error);
    await makeFolder(parent);
    await mkdir(path).catch((again: NodeJS.ErrnoException) => assertFolder(path, again)); // another process was faster
  });
}

/** Accepts a folder that exists. @throws for a bad link its own error, otherwise `error` */
async function assertFolder(path: string, error: NodeJS.ErrnoException): Promise<void> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw error.code === "EEXIST" ? cause : error;
  });
  if (!found.isDirectory()) throw error;
}
