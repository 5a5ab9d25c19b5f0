/**
 * Where unit tests have their temp folders: in memory, when this host has room there. They make and remove files by the
 * thousand, which takes ext4 ten times as long (measured: it looks for inodes that were not freed just now).
 * Sources: proc_pid_mounts(5), shm_overview(7).
 */
import { access, constants, readFile, statfs } from "node:fs/promises";

const FOLDER = "/dev/shm";

/** Free space that the folder needs, in bytes; unit tests that run at once use a tenth of it. */
const ROOM_BYTES = 2 * 2 ** 30;

/**
 * @param env $TMPDIR is the user's own choice, and holds
 * @returns undefined when the temp folder of the host is to be used
 */
export async function memoryFolder(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (env["TMPDIR"] !== undefined) return undefined;
  try {
    if (!runsPrograms(await readFile("/proc/mounts", "utf8"))) return undefined;
    await access(FOLDER, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(FOLDER);
    return bavail * bsize >= ROOM_BYTES ? FOLDER : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the folder is a file system in memory whose programs may be run; containers often forbid that. */
export function runsPrograms(mounts: string): boolean {
  const mount = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .findLast(([, place]) => place === FOLDER);
  return mount?.[2] === "tmpfs" && !mount[3]?.split(",").includes("noexec");
}
