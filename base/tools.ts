/**
 * The programs of livelab's own (builder/tools/tools.ts), which it prefers to those of the host.
 * $LIVELAB_TOOLS names their folders, also for the processes that livelab starts. A user may set it to other folders.
 */
import { delimiter, dirname, join } from "node:path";
import { pathFolders } from "./find-program.js";
import { isThere } from "./is-there.js";

/** Folders of programs, in the order in which they are searched; empty before useTools(). */
export const toolFolders = (): readonly string[] =>
  (process.env["LIVELAB_TOOLS"] ?? "").split(delimiter).filter((folder) => folder !== "");

/** Puts folders of programs first in the PATH of this process and of those that it starts. */
export function useTools(folders: readonly string[]): void {
  process.env["LIVELAB_TOOLS"] = folders.join(delimiter);
  const path = pathFolders().filter((folder) => !folders.includes(folder));
  process.env["PATH"] = [...folders, ...path].join(delimiter);
}

/** Finds a file that belongs to the tools. @param path below the prefix of their installation, e.g. "share/OVMF" */
export async function findToolFile(path: string): Promise<string | undefined> {
  const places = toolFolders()
    .map(dirname)
    .flatMap((prefix) => [join(prefix, "usr", path), join(prefix, path)]);
  for (const place of places) if (await isThere(place)) return place;
  return undefined;
}

/** What the user can do about a program that is missing. */
export const TOOLS_REMEDY =
  "livelab inputs fetch unpacks livelab's own programs; or set LIVELAB_TOOLS to folders that have them";
