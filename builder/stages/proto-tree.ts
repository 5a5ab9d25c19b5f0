/**
 * The image's own files (proto/) as one tar stream with fixed owners, times and modes: 0755 for folders and
 * executables, 0644 for the rest, independent of the checkout's umask.
 */
import { createHash } from "node:crypto";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { createTar } from "../home/tar-stream.js";

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

/** What each file and link of a tree is, by its path: `link TARGET`, or `file` or `program` with the SHA-256 of its content. */
export type TreeDescription = Readonly<Record<string, string>>;

/** Describes a tree: paths, link targets, executable bits and contents. */
export async function describeTree(folder: string): Promise<TreeDescription> {
  const parts: Record<string, string> = {};
  for (const { path, isLink } of await listTree(folder)) {
    const full = join(folder, path);
    parts[path] = isLink
      ? `link ${await readlink(full)}`
      : `${((await stat(full)).mode & 0o100) === 0 ? "file" : "program"} ${createHash("sha256")
          .update(await readFile(full))
          .digest("hex")}`;
  }
  return parts;
}

/** The description with the files and links below some folders. Of other files it keeps the path, of other links the target. */
export function narrowTree(tree: TreeDescription, folders: readonly string[]): TreeDescription {
  const isInside = (path: string): boolean => folders.some((folder) => path.startsWith(`${folder}/`));
  return Object.fromEntries(
    Object.entries(tree).map(([path, what]) => [path, isInside(path) || what.startsWith("link ") ? what : "other"]),
  );
}

/** The tree as a tar stream. @param epoch time of every entry, in seconds since 1970 */
export async function streamTree(folder: string, epoch: number): Promise<Readable> {
  return createTar(
    folder,
    (await listTree(folder)).map(({ path }) => path),
    epoch,
  );
}
