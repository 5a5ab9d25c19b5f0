/**
 * The files of a commit, and how files on disk differ from them: bytes, kind and executable bit.
 * `git status` depends on settings (core.autocrlf, core.fileMode, core.symlinks) and on marks in the index
 * (assume-unchanged, skip-worktree), which make it skip changed files. This module compares the files themselves.
 * Source: gitformat-index(5) for modes; git-hash-object(1), "blob".
 */
import { createHash } from "node:crypto";
import { lstatSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";
import { readGit } from "./read-git.js";

/** One file of a commit. */
export interface CommittedFile {
  readonly kind: "file" | "program" | "link" | "submodule";
  /** git's object id of the content, or of a link's target. */
  readonly id: string;
}

/** By path below the repository's top. */
export type CommittedFiles = ReadonlyMap<string, CommittedFile>;

const KINDS: Readonly<Record<string, CommittedFile["kind"]>> = {
  "100644": "file",
  "100755": "program",
  "120000": "link",
  "160000": "submodule",
};

/** Lists the files of a repository's HEAD. @throws ProgramError if the repository, the commit or git is missing */
export async function readCommittedFiles(root: string): Promise<CommittedFiles> {
  const listed = await readGit(root, ["ls-tree", "-r", "-z", "--full-tree", "HEAD"]);
  return new Map(
    listed
      .split("\0")
      .filter(Boolean)
      .map((line) => {
        const [, mode = "", id = "", path = ""] = /^(\d+) \w+ ([0-9a-f]+)\t(.*)$/s.exec(line) ?? [];
        return [path, { kind: KINDS[mode] ?? "file", id }];
      }),
  );
}

/** How a path on disk differs from the commit. */
export type Difference =
  /** The path is missing, is neither a file nor a link, or cannot be read. */
  | "absent"
  /** A file in place of a link, or the other way round. */
  | "kind"
  /** Other bytes, or another target. */
  | "content"
  /** Only the executable bit. */
  | "mode";

/** Undefined if the path is as committed. Synchronous: hundreds of small files take 30 ms, and 200 ms asynchronously. */
export function differenceOf(root: string, path: string, committed: CommittedFile): Difference | undefined {
  const full = join(root, path);
  let found: Stats;
  let content: Buffer;
  try {
    found = lstatSync(full);
    if (!found.isFile() && !found.isSymbolicLink()) return "absent";
    if (found.isSymbolicLink() !== (committed.kind === "link")) return "kind";
    content = found.isSymbolicLink() ? readlinkSync(full, { encoding: "buffer" }) : readFileSync(full);
  } catch {
    return "absent";
  }
  if (blobId(content, committed.id) !== committed.id) return "content";
  const isProgram = (found.mode & 0o100) !== 0;
  return committed.kind !== "link" && isProgram !== (committed.kind === "program") ? "mode" : undefined;
}

/** The id that git gives this content. @param like an id of the repository: its length shows SHA-1 or SHA-256 */
export function blobId(content: Buffer, like: string): string {
  const hash = createHash(like.length === 64 ? "sha256" : "sha1");
  return hash.update(`blob ${content.length}\0`).update(content).digest("hex");
}
