/** A folder for what is to be written: tried before the work rather than after it. */
import { mkdir, mkdtemp, rmdir } from "node:fs/promises";
import { join } from "node:path";

/** Stands for bytes that are not UTF-8 in what Node reads of arguments and environment; no file has it in its name. */
const REPLACEMENT_CHARACTER = "\uFFFD";

/** Whether Node could read the path; another folder than the one named would be made under it where not. */
export const hasReadableName = (path: string): boolean => !path.includes(REPLACEMENT_CHARACTER);

/** Makes it where it is missing. @throws Error of the file system when it cannot be made or written to, or of its name */
export async function makeWritableFolder(path: string): Promise<void> {
  if (!hasReadableName(path)) throw new Error("its name has bytes that are not UTF-8");
  await mkdir(path, { recursive: true });
  // Root may write where the file system says no (a read-only mount): only a write tells.
  await rmdir(await mkdtemp(join(path, ".livelab-probe-")));
}
