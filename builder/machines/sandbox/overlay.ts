/**
 * Prepares an overlayfs mount as a folder of links with short names, which mount-overlay.sh mounts.
 * A mount option never contains a path of the user: overlayfs gives ":", "," and "\" a special meaning, and the kernel
 * accepts at most 255 bytes per value (fsconfig(2), which mount(8) calls since util-linux 2.39) or 4095 for all options.
 * Sources: Documentation/filesystems/overlayfs.rst; fs/fsopen.c, FSCONFIG_SET_STRING; mount(2) "data".
 */
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface OverlayFolders {
  /** Absolute paths of the layers, the topmost first; at least one, at most MOST_LAYERS. */
  readonly lower: readonly string[];
  /** Absolute path of the folder that receives the writes. */
  readonly upper: string;
  /** An empty folder on the same file system. */
  readonly work: string;
}

/** The largest number of layers whose names fit into an option's value. A build has one layer per stage. */
export const MOST_LAYERS = 88;

/**
 * Prepares a mount in `folder`, which it creates: a link to each layer, and the options in the file "options".
 * @param asRoot whether livelab runs as root
 */
export async function layOutOverlay(folder: string, overlay: OverlayFolders, asRoot: boolean): Promise<void> {
  const { lower, upper, work } = overlay;
  if (lower.length > MOST_LAYERS)
    throw new Error(`cannot mount ${lower.length} layers: a mount option has room for ${MOST_LAYERS} layers`);
  await mkdir(folder, { recursive: true });
  for (const [index, layer] of lower.entries()) await symlink(layer, join(folder, String(index)));
  await symlink(upper, join(folder, "upper"));
  await symlink(work, join(folder, "work"));
  const names = lower.map((_, index) => String(index)).join(":");
  // In a user namespace overlayfs may write only user.* attributes (overlayfs.rst, "User xattr").
  const options = `lowerdir=${names},upperdir=upper,workdir=work${asRoot ? "" : ",userxattr"}`;
  await writeFile(join(folder, "options"), options);
}
