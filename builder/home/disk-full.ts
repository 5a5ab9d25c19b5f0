/** The error for a folder without free space: names the folder, the bytes needed, the bytes free, and a remedy. */
import { statfs } from "node:fs/promises";
import { formatBytes } from "../../base/format.js";
import { InputError } from "../builder-error.js";

/** Bytes that an ordinary user can still write in the file system of a folder. */
export async function freeBytesIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** @param neededBytes number of further bytes needed, at least @param cause the failed write, if any */
export async function diskFullError(folder: string, neededBytes: number, cause?: unknown): Promise<InputError> {
  const free = await freeBytesIn(folder).then(formatBytes, () => "an unknown amount");
  const quota = (cause as NodeJS.ErrnoException | undefined)?.code === "EDQUOT" ? ", but your quota is used up" : "";
  const message = `no space left in ${folder}: at least ${formatBytes(neededBytes)} more needed, ${free} free${quota}`;
  return new InputError("DISK_FULL", message, {
    hint: "free some space (livelab gc), or use a larger disk (LIVELAB_HOME for the store); fetched files are kept",
    cause,
  });
}
