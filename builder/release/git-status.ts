/**
 * Contents of etc/version/gitstatus in a platform archive: the source of the archive, in the format of Triton's other
 * images, an array with an object for each repository.
 * It contains only properties of the commit. Names of branch and remote depend on the checkout: with them two checkouts of
 * one commit would not give the same bytes, and an address may contain a password or a path of this host.
 */
import { lstat, realpath } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "../../base/is-there.js";
import { type CommittedFiles, differenceOf, readCommittedFiles } from "../checkout/committed-files.js";
import { readGit } from "../checkout/read-git.js";

/** One repository in gitstatus. */
export interface SourceState {
  readonly repo: string;
  /** Always null, see the file's comment. */
  readonly branch: null;
  /** The commit, or null if the source has no repository of its own (a release tarball) or git is missing. */
  readonly rev: string | null;
  /** Seconds since 1970; a string, as in Triton's own files. */
  readonly commit_date: string | null;
  /**
   * Whether files are not in that commit, or differ from it in bytes, kind or executable bit. Also true if the repository
   * cannot be read, because the files cannot be checked then.
   */
  readonly dirty: boolean;
}

/**
 * Reads the state of livelab's own source; the current directory does not matter.
 * @param projectRoot folder that holds package.json
 */
export async function readSourceState(projectRoot: string): Promise<SourceState> {
  const root = await realpath(projectRoot);
  const none: SourceState = { repo: "livelab", branch: null, rev: null, commit_date: null, dirty: false };
  // An unpacked tarball has no .git of its own, but may lie inside another project's repository.
  if (!(await isThere(join(root, ".git")))) return none;
  try {
    if (await isUnborn(root)) return none;
    const shown = await readGit(root, ["show", "--no-patch", "--no-show-signature", "--format=%H %ct", "HEAD"]);
    const [, rev, date] = /^([0-9a-f]{40,64}) (\d+)$/m.exec(shown) ?? [];
    if (rev === undefined || date === undefined) return { ...none, dirty: true };
    return { ...none, rev, commit_date: date, dirty: await isChanged(root) };
  } catch {
    return { ...none, dirty: true }; // no git, or a repository that it cannot read
  }
}

/** Whether the repository has no commit yet. */
async function isUnborn(root: string): Promise<boolean> {
  await readGit(root, ["rev-parse", "--git-dir"]);
  const head = readGit(root, ["rev-parse", "--quiet", "--verify", "HEAD"]);
  return head.then(
    () => false,
    () => true,
  );
}

async function isChanged(root: string): Promise<boolean> {
  const committed = await readCommittedFiles(root);
  for (const [path, file] of committed) {
    if (differenceOf(root, path, file) !== undefined) return true;
  }
  return await hasMore(root, committed);
}

/** Whether files exist that the commit lacks: new files, except those in .gitignore; in proto/ ignored files count, too. */
async function hasMore(root: string, committed: CommittedFiles): Promise<boolean> {
  const list = async (...words: string[]): Promise<string[]> =>
    (await readGit(root, ["ls-files", "-z", ...words])).split("\0").filter(Boolean);
  const isNew = (await list("--others", "--exclude-standard")).length > 0;
  // All files of proto/ go into the image, including those that git ignores.
  if (isNew || (await list("--others", "--", "proto")).length > 0) return true;
  for (const path of await list("--cached")) {
    // lstat, not access: the targets of the image's links do not exist here.
    if (!committed.has(path) && (await lstat(join(root, path)).catch(() => undefined)) !== undefined) return true;
  }
  return false;
}

/** The only line of gitstatus, without its line end. */
export const formatGitStatus = (state: SourceState): string => JSON.stringify([state]);

/** Returns "commit 0123456789ab" for messages. */
export function describeSource(gitStatus: string): string {
  const [state] = JSON.parse(gitStatus) as [SourceState];
  if (state.rev === null) return "no commit";
  return `commit ${state.rev.slice(0, 12)}${state.dirty ? " with changes that are not committed" : ""}`;
}
