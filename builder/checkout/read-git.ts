/**
 * Reads the repository of livelab's own files, independent of the user's configuration.
 * The repository is named, not searched for. So git ignores its owner (safe.directory), a repository around it, and the
 * variables of a hook that name another repository.
 * Source: git(1), "Environment Variables"; git-config(1), "safe.directory".
 */
import { join } from "node:path";
import { runProgram } from "../../base/run-program.js";

/** Longest call of git, in milliseconds. */
const GIT_LIMIT_MS = 60_000;

/** Overrides settings of the repository's own configuration that would hide files or run programs. */
const SETTINGS = ["core.excludesFile=/dev/null", "core.fsmonitor=false", "core.untrackedCache=false"];

/**
 * Runs git in the repository whose top is `root`. @returns its standard output
 * @throws ProgramError if `root` is not the top of a repository, or git is not installed
 */
export async function readGit(root: string, words: readonly string[]): Promise<string> {
  const env = {
    PATH: process.env["PATH"],
    LC_ALL: "C",
    GIT_DIR: join(root, ".git"),
    GIT_WORK_TREE: root,
    GIT_OPTIONAL_LOCKS: "0",
    GIT_NO_REPLACE_OBJECTS: "1",
    // Excludes the configuration of the user and the host; git before 2.32 ignores GIT_CONFIG_GLOBAL and reads below HOME.
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    HOME: "/dev/null",
    XDG_CONFIG_HOME: "/dev/null",
  };
  const settings = SETTINGS.flatMap((setting) => ["-c", setting]);
  const options = { cwd: root, env, limitMs: GIT_LIMIT_MS };
  return (await runProgram("git", [...settings, ...words], options)).stdout;
}
