/** The one error for a folder without room: names folder, need, room and remedy. */
import { statfs } from "node:fs/promises";
import { formatBytes } from "../../base/format.js";
import { InputError } from "../builder-error.js";

/** Free bytes for an ordinary user in the file system that holds a folder. */
export async function freeBytesIn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** @param neededBytes how many bytes more are needed at least @param cause the failed write, if it came to one */
export async function diskFullError(folder: string, neededBytes: number, cause?: unknown): Promise<InputError> {
  const free = await freeBytesIn(folder).then(formatBytes, () => "an unknown amount"); // the cause counts, not this
  const quota = (cause as NodeJS.ErrnoException | undefined)?.code === "EDQUOT" ? ", but your quota is used up" : "";
  const message = `no room in ${folder}: at least ${formatBytes(neededBytes)} more needed, ${free} free${quota}`;
  return new InputError("DISK_FULL", message, {
    hint: "free some space (livelab gc), or use a larger disk (LIVELAB_HOME for the store); what was fetched is kept",
    cause,
  });
}
