/**
 * What etc/version/gitstatus of a platform archive says: the source that it was made from, in the form of Triton's other
 * images, an array with an object for each repository.
 * Only what the commit itself says is in it. The names of branch and remote are the checkout's: with them two checkouts of
 * one commit would not make the same bytes, and an address may hold a password or a path of this host.
 */
import { lstat, realpath } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "../../base/is-there.js";
import { type CommittedFiles, differenceOf, readCommittedFiles } from "../checkout/committed-files.js";
import { readGit } from "../checkout/read-git.js";

/** One repository in gitstatus. */
export interface SourceState {
  readonly repo: string;
  /** Always null: see above. */
  readonly branch: null;
  /** The commit, or null where the source is in no repository of its own (a release tarball) or git is missing. */
  readonly rev: string | null;
  /** Seconds since 1970, as Triton has it: in a string. */
  readonly commit_date: string | null;
  /**
   * Whether files differ from that commit or are not in it, in bytes, kind or executable bit. True, too, where a
   * repository is there and cannot be read: nothing vouches for the files then.
   */
  readonly dirty: boolean;
}

/**
 * The source of livelab itself, wherever it is called from.
 * @param projectRoot folder that holds package.json
 */
export async function readSourceState(projectRoot: string): Promise<SourceState> {
  const root = await realpath(projectRoot);
  const none: SourceState = { repo: "livelab", branch: null, rev: null, commit_date: null, dirty: false };
  // An unpacked tarball has no .git, though it may lie in a repository that is not livelab's.
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

/** Whether files are there that the commit lacks: new ones, unless .gitignore names them; in proto/ those, too. */
async function hasMore(root: string, committed: CommittedFiles): Promise<boolean> {
  const list = async (...words: string[]): Promise<string[]> =>
    (await readGit(root, ["ls-files", "-z", ...words])).split("\0").filter(Boolean);
  const isNew = (await list("--others", "--exclude-standard")).length > 0;
  // All of proto/ goes into the image, whatever git is to ignore.
  if (isNew || (await list("--others", "--", "proto")).length > 0) return true;
  for (const path of await list("--cached")) {
    // lstat, not access: links of the image lead nowhere here.
    if (!committed.has(path) && (await lstat(join(root, path)).catch(() => undefined)) !== undefined) return true;
  }
  return false;
}

/** The file's one line, without its end. */
export const formatGitStatus = (state: SourceState): string => JSON.stringify([state]);

/** "commit 0123456789ab", for people. */
export function describeSource(gitStatus: string): string {
  const [state] = JSON.parse(gitStatus) as [SourceState];
  if (state.rev === null) return "no commit";
  return `commit ${state.rev.slice(0, 12)}${state.dirty ? " with changes that are not committed" : ""}`;
}
