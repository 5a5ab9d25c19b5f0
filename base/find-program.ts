/** Finds a program on this host. */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, resolve } from "node:path";
import { usableFolder } from "./working-folder.js";

/**
 * Finds a program as execvp(3) does: in the folders of the PATH, or at a path if the name has a slash.
 * @returns its absolute path, or undefined if no file that this user may run is found
 */
export async function findProgram(name: string): Promise<string | undefined> {
  const folders = name.includes("/") ? [""] : (process.env["PATH"] ?? "").split(delimiter);
  for (const folder of folders) {
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
