/**
 * What etc/version/gitstatus of a platform archive says: the source that it was made from, in the form of Triton's other
 * images, an array with an object for each repository.
 * Only what the commit itself says is in it. The names of branch and remote are the checkout's: with them two checkouts of
 * one commit would not make the same bytes, and an address may hold a password or a path of this host.
 */
import { execFile } from "node:child_process";
import { realpath } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** One repository in gitstatus. */
export interface SourceState {
  readonly repo: string;
  /** Always null: see above. */
  readonly branch: null;
  /** The commit, or null where the source is in no repository of its own (a release tarball) or git is missing. */
  readonly rev: string | null;
  /** Seconds since 1970, as Triton has it: in a string. */
  readonly commit_date: string | null;
  /** Whether files differ from that commit, or are not in it. */
  readonly dirty: boolean;
}

/** Longest call of git, in milliseconds. */
const GIT_LIMIT_MS = 60_000;

/**
 * The source of livelab itself, wherever it is called from.
 * @param projectRoot folder that holds package.json
 */
export async function readSourceState(projectRoot: string): Promise<SourceState> {
  const root = await realpath(projectRoot);
  const none: SourceState = { repo: "livelab", branch: null, rev: null, commit_date: null, dirty: false };
  // A hook's variables are of the repository that it runs for. Files may belong to another user, as in CI: git would not look.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_")));
  const git = async (...words: string[]): Promise<string> => {
    const options = {
      env: { ...env, LC_ALL: "C", GIT_OPTIONAL_LOCKS: "0" },
      timeout: GIT_LIMIT_MS,
      maxBuffer: 2 ** 26,
    };
    return (await run("git", ["-c", `safe.directory=${root}`, "-C", root, ...words], options)).stdout;
  };
  let shown: string;
  try {
    // An unpacked tarball may lie in a repository that is not livelab's.
    const top = (await git("rev-parse", "--show-toplevel")).replace(/\n$/, "");
    if ((await realpath(top)) !== root) return none;
    shown = await git("show", "--no-patch", "--no-show-signature", "--format=%H %ct", "HEAD");
  } catch {
    return none; // no git, no repository, or one without a commit
  }
  const [, rev = "", date = ""] = /^([0-9a-f]{40,64}) (\d+)$/m.exec(shown) ?? [];
  const changes = await git("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=none");
  return { ...none, rev, commit_date: date, dirty: changes !== "" };
}

/** The file's one line, without its end. */
export const formatGitStatus = (state: SourceState): string => JSON.stringify([state]);

/** "commit 0123456789ab", for people. */
export function describeSource(gitStatus: string): string {
  const [state] = JSON.parse(gitStatus) as [SourceState];
  if (state.rev === null) return "no commit";
  return `commit ${state.rev.slice(0, 12)}${state.dirty ? " with changes that are not committed" : ""}`;
}
