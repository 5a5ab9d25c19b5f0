/** Makes a folder and proves that it can be written, before the work rather than after it. */
import { mkdtemp, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "./make-folder.js";

/** Node puts it in place of bytes that are not UTF-8 in arguments and environment. No file has it in its name. */
const REPLACEMENT_CHARACTER = "\uFFFD";

/** Whether Node could read the path. If not, a write would go to another folder than the named one. */
export const hasReadableName = (path: string): boolean => !path.includes(REPLACEMENT_CHARACTER);

/** Makes the folder if it is missing. @throws Error of the file system if it cannot be made or written; Error for its name */
export async function makeWritableFolder(path: string): Promise<void> {
  if (!hasReadableName(path)) throw new Error("its name has bytes that are not UTF-8");
  await makeFolder(path);
  // Permissions do not show every refusal (root, a read-only mount): only a write proves it.
  await rmdir(await mkdtemp(join(path, ".livelab-probe-")));
}
