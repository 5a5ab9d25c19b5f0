/**
 * The default of $LIVELAB_HOME, by the XDG Base Directory Specification: $XDG_CACHE_HOME/livelab, or ~/.cache/livelab if
 * that variable is not set. The specification requires absolute paths; others are ignored.
 */
import { isAbsolute, join, resolve } from "node:path";
import { describeUser, passwdEntryOf } from "../../base/user-name.js";
import { BuilderError } from "../builder-error.js";

/**
 * Returns the folder's absolute path; the folder may be missing.
 * @param env the environment: LIVELAB_HOME, XDG_CACHE_HOME, HOME @param uid user whose home folder is used without HOME
 * @throws BuilderError NO_HOME for a user without a home folder, e.g. in a container whose uid has no entry in /etc/passwd
 */
export function homeFolder(env: NodeJS.ProcessEnv, uid: number = process.getuid?.() ?? -1): string {
  if (env["LIVELAB_HOME"]) return resolve(env["LIVELAB_HOME"]);
  const absolute = (path: string | undefined): string | undefined =>
    path !== undefined && isAbsolute(path) ? path : undefined;
  const cache = absolute(env["XDG_CACHE_HOME"]);
  if (cache !== undefined) return join(cache, "livelab");
  const home = absolute(env["HOME"]) ?? absolute(passwdEntryOf(uid)?.home);
  if (home !== undefined) return join(home, ".cache", "livelab");
  throw new BuilderError("NO_HOME", `${describeUser(uid)} has no home folder for livelab to keep its files in`, {
    hint: "set LIVELAB_HOME to a folder that you may write to, or HOME to your home folder",
  });
}
