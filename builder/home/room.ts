/** Room on the disk that holds LIVELAB_HOME: asked for before a stage runs, so that it does not end halfway. */
import { statfs } from "node:fs/promises";
import { formatBytes } from "../../base/format.js";
import { BuilderError } from "../builder-error.js";

/** For a release from its first stage on, in bytes: 3 GiB stay (measured), the rest is needed on the way. */
export const RELEASE_BYTES = 4 * 2 ** 30;
/** For one stage, in bytes. */
export const STAGE_BYTES = 2 ** 30;

/** What to do about a disk that is full, for whoever makes that release. */
export const freeSpaceHint = (stamp: string): string =>
  `free some space there (livelab gc), then go on: livelab build -r ${stamp}, or livelab build if it has no stage yet`;

/** @param stamp the release that needs it @throws BuilderError HOST_DISK_FULL */
export async function assertFreeSpace(folder: string, bytes: number, stamp: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw new BuilderError(
    "HOST_DISK_FULL",
    `${formatBytes(bavail * bsize)} free on the disk that holds ${folder}, ${formatBytes(bytes)} needed`,
    { hint: freeSpaceHint(stamp) },
  );
}
