/**
 * The files of the checkout that an image is made from, and what they contain now: `livelab watch` builds when they change.
 * The files are compared, not watched: inotify reports nothing on a network share, and not the end of a change.
 */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/** Folders of the inputs, below the project's. */
export const inputFolders: readonly string[] = ["proto", "builder/stages", "builder/machines", "builder/lock"];

/** In the folders of the builder, its own sources are no inputs: they act only after they are compiled. */
const isSource = (path: string): boolean => path.startsWith("builder/") && path.endsWith(".ts");

/** Files that editors keep beside the one that is edited: Vim, Emacs and others. */
const isOfEditor = (name: string): boolean => /^\..*\.sw[a-p]$|^4913$|^\.#|^#.*#$|~$/.test(name);

/** Contents of the inputs: for each path, below the project's folder, a word that differs when the content does. */
export type InputState = ReadonlyMap<string, string>;

export class BuildInputs {
  readonly #projectRoot: string;
  /** What lstat() said of each file, and its content. A file is read again only when the former differs. */
  #known = new Map<string, { readonly facts: string; readonly content: string }>();

  constructor(projectRoot: string) {
    this.#projectRoot = projectRoot;
  }

  /** Reads the state of the inputs. A missing folder counts as empty: git replaces folders. */
  async read(): Promise<InputState> {
    const known = new Map<string, { readonly facts: string; readonly content: string }>();
    for (const folder of inputFolders) {
      for (const path of await this.#list(folder)) {
        const found = await this.#describe(path).catch(ignoreAbsence);
        if (found !== undefined) known.set(path, found);
      }
    }
    this.#known = known;
    return new Map([...known].map(([path, { content }]) => [path, content]));
  }

  async #list(folder: string): Promise<string[]> {
    const options = { recursive: true, withFileTypes: true } as const;
    const entries = (await readdir(join(this.#projectRoot, folder), options).catch(ignoreAbsence)) ?? [];
    return entries
      .filter((entry) => !entry.isDirectory() && !isOfEditor(entry.name))
      .map((entry) => join(entry.parentPath, entry.name).slice(this.#projectRoot.length + 1))
      .filter((path) => !isSource(path))
      .sort();
  }

  async #describe(path: string): Promise<{ readonly facts: string; readonly content: string }> {
    const file = join(this.#projectRoot, path);
    const stats = await lstat(file, { bigint: true });
    const { mode, size, mtimeNs, ctimeNs, ino } = stats;
    const facts = [mode, size, mtimeNs, ctimeNs, ino].join(" ");
    const known = this.#known.get(path);
    if (known?.facts === facts) return known;
    const content = await contentOf(file, stats);
    const digest = createHash("sha256").update(content).digest("hex");
    return { facts, content: `${(Number(mode) & 0o170100).toString(8)} ${digest}` }; // type, and the owner's executable bit
  }
}

/** Content of a regular file or link. Others have none, and neither has a file that this user may not read: the build says so. */
async function contentOf(file: string, stats: BigIntStats): Promise<Buffer | string> {
  if (stats.isSymbolicLink()) return readlink(file);
  if (!stats.isFile()) return "";
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EACCES") throw error;
    return "";
  });
}

/** What differs between two states, one phrase per file, e.g. "proto/usr/bin/sysinfo changed". */
export function describeChanges(before: InputState, after: InputState): string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .sort()
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => `${path} ${before.has(path) ? (after.has(path) ? "changed" : "removed") : "added"}`);
}

function ignoreAbsence(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
