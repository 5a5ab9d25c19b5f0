/**
 * An overlayfs mount laid out as a folder of short names, which mount-overlay.sh mounts.
 * A path of the user's is never part of a mount option: overlayfs reads ":", "," and "\" there as its own, and the kernel
 * takes at most 255 bytes of a value (fsconfig(2), which mount(8) calls from util-linux 2.39 on) or 4095 of all options.
 * Sources: Documentation/filesystems/overlayfs.rst; fs/fsopen.c, FSCONFIG_SET_STRING; mount(2) "data".
 */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface OverlayFolders {
  /** Absolute paths of the layers, the topmost first; at least one, at most MOST_LAYERS. */
  readonly lower: readonly string[];
  /** Absolute path of the folder that takes the writes. */
  readonly upper: string;
  /** An empty folder on the same file system. */
  readonly work: string;
}

/** So many fit into an option's value; a build has one for each stage. */
export const MOST_LAYERS = 88;

/**
 * Lays out a mount in `folder`, which is made: a link to each layer, and the options in the file "options".
 * @param asRoot whether livelab runs as root
 */
export async function layOutOverlay(folder: string, overlay: OverlayFolders, asRoot: boolean): Promise<void> {
  const { lower, upper, work } = overlay;
  if (lower.length > MOST_LAYERS) throw new Error(`${lower.length} layers; ${MOST_LAYERS} fit into a mount option`);
  await mkdir(folder, { recursive: true });
  for (const [index, layer] of lower.entries()) await symlink(layer, join(folder, String(index)));
  await symlink(upper, join(folder, "upper"));
  await symlink(work, join(folder, "work"));
  const names = lower.map((_, index) => String(index)).join(":");
  // In a user namespace overlayfs may only write attributes of users (overlayfs.rst, "User xattr").
  const options = `lowerdir=${names},upperdir=upper,workdir=work${asRoot ? "" : ",userxattr"}`;
  await writeFile(join(folder, "options"), options);
}
