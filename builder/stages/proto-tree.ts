/**
 * The image's own files (proto/) as one tar stream with fixed owners, times and modes: 0755 for folders and
 * executables, 0644 for the rest, independent of the checkout's umask.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { createTar } from "../home/tar-stream.js";
import { digestOf } from "../profile/digest.js";

/** Files and links below a folder, sorted by path. */
export async function listTree(folder: string): Promise<{ path: string; isLink: boolean }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => ({
      path: join(entry.parentPath, entry.name).slice(folder.length + 1),
      isLink: entry.isSymbolicLink(),
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Digest of a tree: it covers paths, link targets, executable bits and contents. */
export async function digestTree(folder: string): Promise<string> {
  const parts: Record<string, string> = {};
  for (const { path, isLink } of await listTree(folder)) {
    const full = join(folder, path);
    parts[path] = isLink
      ? `link ${await readlink(full)}`
      : `${((await stat(full)).mode & 0o100) === 0 ? "file" : "program"} ${createHash("sha256")
          .update(await readFile(full))
          .digest("hex")}`;
  }
  return digestOf(parts);
}

/** The tree as a tar stream. @param epoch time of every entry, in seconds since 1970 */
export async function streamTree(folder: string, epoch: number): Promise<Readable> {
  return createTar(
    folder,
    (await listTree(folder)).map(({ path }) => path),
    epoch,
  );
}
