/** Finds a program on this host. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, resolve } from "node:path";
import { usableFolder } from "./working-folder.js";

/** Folders of a PATH that is not set, as a shell has them. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The folders of the PATH. An empty one, which means the current folder, does not count. */
export const pathFolders = (): readonly string[] =>
  (process.env["PATH"] ?? DEFAULT_PATH).split(delimiter).filter((folder) => folder !== "");

/**
 * Finds a program as execvp(3) does: in the folders of the PATH, or at a path if the name has a slash.
 * @param folders where a name is searched. @default those of the PATH
 * @returns its absolute path, or undefined if no file that this user may run is found
 */
export async function findProgram(name: string, folders = pathFolders()): Promise<string | undefined> {
  for (const folder of name.includes("/") ? [""] : folders) {
    const path = resolve(usableFolder(), folder, name);
    if (await mayRun(path)) return path;
  }
  return undefined;
}

async function mayRun(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
