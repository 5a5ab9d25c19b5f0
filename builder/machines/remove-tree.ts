/** Removes a tree whose files may belong to ids that only our user namespace knows. */
import { rm } from "node:fs/promises";
import { execa } from "execa";

/** @param asRoot whether livelab runs as root; if not, the removal happens in a user namespace of our own */
export async function removeTree(path: string, asRoot: boolean): Promise<void> {
  if (asRoot) {
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
    return;
  }
  await execa("unshare", ["--user", "--map-root-user", "--map-auto", "--", "rm", "-rf", "--", path]);
}
