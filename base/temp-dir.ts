/**
 * A private folder that is removed when its owner disposes of it. It is in the temp folder of this host: $TMPDIR, or /tmp.
 * This file makes every temporary folder of livelab, so that an unusable $TMPDIR gives one error.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { HostError } from "./livelab-error.js";
import { isDiskFullError } from "./no-room.js";
import { LONGEST_SOCKET_PATH } from "./socket-path.js";
import { refusalReason } from "./system-error.js";

/** Length of the suffix that mkdtemp(3) adds, in bytes. */
const SUFFIX_BYTES = 6;

/** Longest name of a socket in its folder, in bytes. */
const SOCKET_NAME_BYTES = 16;

export class TempDir implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes `<parent>/livelab-<name>-XXXXXX`.
   * @param parent folder that exists. @default the temp folder
   * @throws HostError TEMP_FOLDER_UNUSABLE if the temp folder cannot be used; the error of the file system for another parent,
   * or if the table of open files is full
   */
  static async create(name: string, parent?: string): Promise<TempDir> {
    if (parent !== undefined) return await TempDir.#make(parent, name);
    const folder = tempFolder();
    try {
      return await TempDir.#make(folder, name);
    } catch (error) {
      throw tempFolderError("make a temporary folder", error as NodeJS.ErrnoException);
    }
  }

  /**
   * Makes a folder like create(), with a path short enough for Unix sockets in it (unix(7): 107 bytes).
   * If the temp folder's own path is too long, the folder is made in $XDG_RUNTIME_DIR, /tmp or /var/tmp.
   * @param roomBytes longest path of a socket below the folder, in bytes. @default 16
   * @throws HostError TEMP_FOLDER_UNUSABLE
   */
  static async createForSockets(name: string, roomBytes = SOCKET_NAME_BYTES): Promise<TempDir> {
    const folder = tempFolder();
    const longest = LONGEST_SOCKET_PATH - roomBytes - 1;
    const fits = (parent: string): boolean => Buffer.byteLength(prefixIn(parent, name)) + SUFFIX_BYTES <= longest;
    if (fits(folder)) return await TempDir.create(name);
    await using _ = await TempDir.create(name); // an unusable temp folder is an error, whatever its length
    const others = [process.env["XDG_RUNTIME_DIR"] ?? "", "/tmp", "/var/tmp"].filter(
      (parent) => isAbsolute(parent) && fits(parent),
    );
    for (const parent of others) {
      const made = await TempDir.#make(parent, name).catch(() => undefined);
      if (made !== undefined) return made;
    }
    throw new HostError(
      "TEMP_FOLDER_UNUSABLE",
      `the temp folder ${folder} (${sourceOfTempFolder()}) has a path of ${Buffer.byteLength(folder)} bytes, too long for ` +
        `Unix sockets (at most ${LONGEST_SOCKET_PATH} with their names), and ${others.join(" and ")} cannot be written`,
      { hint: "set TMPDIR to a folder with a short path" },
    );
  }

  static async #make(parent: string, name: string): Promise<TempDir> {
    return new TempDir(await mkdtemp(prefixIn(parent, name)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** The absolute path of this host's temp folder; it may not exist. */
export const tempFolder = (): string => resolve(tmpdir());

const prefixIn = (parent: string, name: string): string => join(parent, `livelab-${name}-`);

/** Where os.tmpdir() has its answer from. */
function sourceOfTempFolder(): string {
  const variable = ["TMPDIR", "TMP", "TEMP"].find((name) => process.env[name]);
  return variable === undefined ? "the default" : `$${variable}`;
}

/**
 * Names the temp folder in an error of the file system about it. Keeps an error that is not about the folder, such as too many
 * open files: it has another remedy.
 * @param failed what livelab could not do there, e.g. "make a temporary folder"
 * @returns HostError TEMP_FOLDER_UNUSABLE, or `cause`
 */
export function tempFolderError(failed: string, cause: NodeJS.ErrnoException): Error {
  const reason = refusalReason(cause);
  if (reason === undefined) return cause;
  const message = `cannot ${failed} in ${tempFolder()} (${sourceOfTempFolder()}): ${reason}`;
  return new HostError("TEMP_FOLDER_UNUSABLE", message, {
    hint: isDiskFullError(cause)
      ? "free some space there, or set TMPDIR to a folder with more space"
      : "set TMPDIR to a folder that you may write to, or unset it to use /tmp",
    cause,
  });
}
