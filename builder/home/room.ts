/** Free space on the disk of LIVELAB_HOME: checked before a stage runs, so that the stage does not fail halfway. */
import { statfs } from "node:fs/promises";
import { formatBytes } from "../../base/format.js";
import { BuilderError } from "../builder-error.js";

/** Space for a release from its first stage on, in bytes: 3 GiB stay (measured), the rest is temporary. */
export const RELEASE_BYTES = 4 * 2 ** 30;
/** Space for one stage, in bytes. */
export const STAGE_BYTES = 2 ** 30;

/** Hint of errors about a full disk. @param stamp the release that is being built */
export const freeSpaceHint = (stamp: string): string =>
  `free some space there (livelab gc), then resume: livelab build -r ${stamp}, or livelab build if it has no stage yet`;

/** @param stamp the release that needs the space @throws BuilderError HOST_DISK_FULL */
export async function assertFreeSpace(folder: string, bytes: number, stamp: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw new BuilderError(
    "HOST_DISK_FULL",
    `${formatBytes(bavail * bsize)} free on the disk that holds ${folder}, ${formatBytes(bytes)} needed`,
    { hint: freeSpaceHint(stamp) },
  );
}
