/** A folder for what is to be written: tried before the work rather than after it. */
import { mkdir, mkdtemp, rmdir } from "node:fs/promises";
import { join } from "node:path";

/** Makes it where it is missing. @throws Error of the file system when it cannot be made or written to */
export async function makeWritableFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  // Root may write where the file system says no (a read-only mount): only a write tells.
  await rmdir(await mkdtemp(join(path, ".livelab-probe-")));
}
