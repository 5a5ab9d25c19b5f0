/**
 * Reads the repository that livelab's own files are in, whatever the configuration of its user says.
 * The repository is named, not searched for: so git minds neither who owns it (safe.directory) nor a repository around it,
 * and a hook's variables, which name another one, do not reach it.
 * Source: git(1), "Environment Variables"; git-config(1), "safe.directory".
 */
import { join } from "node:path";
import { runProgram } from "../../base/run-program.js";

/** Longest call of git, in milliseconds. */
const GIT_LIMIT_MS = 60_000;

/** What the repository's own configuration may not say: it would hide files, or run programs. */
const SETTINGS = ["core.excludesFile=/dev/null", "core.fsmonitor=false", "core.untrackedCache=false"];

/**
 * Runs git in the repository whose top is `root`. @returns what it printed
 * @throws ProgramError when `root` is not the top of a repository, or git is not installed
 */
export async function readGit(root: string, words: readonly string[]): Promise<string> {
  const env = {
    PATH: process.env["PATH"],
    LC_ALL: "C",
    GIT_DIR: join(root, ".git"),
    GIT_WORK_TREE: root,
    GIT_OPTIONAL_LOCKS: "0",
    GIT_NO_REPLACE_OBJECTS: "1",
    // No configuration of this user or host; git before 2.32 knows no GIT_CONFIG_GLOBAL, and looks below HOME.
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    HOME: "/dev/null",
    XDG_CONFIG_HOME: "/dev/null",
  };
  const settings = SETTINGS.flatMap((setting) => ["-c", setting]);
  const options = { cwd: root, env, limitMs: GIT_LIMIT_MS };
  return (await runProgram("git", [...settings, ...words], options)).stdout;
}
