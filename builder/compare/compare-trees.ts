/** Compares two folders path by path: the contents of two layers of a stage. */
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { compareFiles } from "./compare-files.js";

/** A path that differs, and a short description of the difference. */
export interface TreeDifference {
  readonly path: string;
  readonly how: string;
}

/** Yields all paths that differ, sorted by name; for a folder in only one tree, its path only. @throws the signal's reason */
export const compareTrees = (one: string, two: string, signal?: AbortSignal): AsyncGenerator<TreeDifference> =>
  compareFolders({ one, two, signal }, "");

interface Trees {
  readonly one: string;
  readonly two: string;
  readonly signal: AbortSignal | undefined;
}

async function* compareFolders(trees: Trees, below: string): AsyncGenerator<TreeDifference> {
  const { one, two, signal } = trees;
  signal?.throwIfAborted();
  const [a, b] = [await readdir(join(one, below)), await readdir(join(two, below))];
  for (const name of [...new Set([...a, ...b])].sort()) {
    const path = join(below, name);
    if (!b.includes(name)) yield { path, how: "only in the first" };
    else if (!a.includes(name)) yield { path, how: "only in the second" };
    else yield* compareEntries(trees, path);
  }
}

async function* compareEntries(trees: Trees, path: string): AsyncGenerator<TreeDifference> {
  const { one, two, signal } = trees;
  const [a, b] = [await lstat(join(one, path)), await lstat(join(two, path))];
  const shape = ({ mode, uid, gid, rdev }: typeof a): string =>
    `mode ${mode.toString(8)}, owner ${uid}:${gid}${rdev === 0 ? "" : `, device ${rdev}`}`;
  if (shape(a) !== shape(b)) {
    yield { path, how: `${shape(a)} and ${shape(b)}` };
  } else if (a.isDirectory()) {
    yield* compareFolders(trees, path);
  } else if (a.isSymbolicLink()) {
    const [to, other] = [await readlink(join(one, path)), await readlink(join(two, path))];
    if (to !== other) yield { path, how: `links to ${to} and to ${other}` };
  } else if (a.isFile()) {
    const difference = await compareFiles(join(one, path), join(two, path), signal);
    if (difference !== undefined) {
      const { bytes, offset } = difference;
      yield { path, how: `${bytes.join(" and ")} bytes, from byte ${offset} on` };
    }
  }
}
