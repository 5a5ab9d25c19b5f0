/**
 * The folders of $LIVELAB_HOME, in one place, and the check that they are ours.
 * What is in them: store (inputs/store.ts), layers (layers.ts), vm (machines/vm-stages.ts), releases (release.ts).
 */
import { constants } from "node:fs";
import { access, mkdir, mkdtemp, readdir, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { quoteWord } from "../../base/command-line.js";
import { isThere } from "../../base/is-there.js";
import { isRefusal, ownerOf, whoseIs, whyRefused } from "../../base/refused-path.js";
import { passwdEntryOf } from "../../base/user-name.js";
import { hasReadableName } from "../../base/writable-folder.js";
import { BuilderError } from "../builder-error.js";

export interface LivelabHome {
  /** The folder itself, absolute. */
  readonly root: string;
  /** Verified inputs and artifacts by digest. */
  readonly store: string;
  /** Roots of builder machines by key. */
  readonly bases: string;
  /** What each stage wrote, by stage key. */
  readonly layers: string;
  /** The builder VM's disk with what each stage wrote, and its saved states. */
  readonly vm: string;
  /** A folder a release: record, logs, lock. */
  readonly builds: string;
  /** Folders of running machines; empty when none runs. */
  readonly machines: string;
  /** Locks on what is being made, by its key. */
  readonly locks: string;
}

/** Folder of a release's record, logs and lock. */
export const releaseFolder = (home: LivelabHome, stamp: string): string => join(home.builds, stamp);
/** Folder of what a failed stage left in the release. */
export const failedLayerFolder = (home: LivelabHome, stamp: string): string =>
  join(releaseFolder(home, stamp), "failed");

/**
 * Makes the folders where they are missing, and checks that this user can work in them.
 * @throws BuilderError NOT_WRITABLE, FOREIGN_HOME
 */
export async function openHome(root: string): Promise<LivelabHome> {
  if (!hasReadableName(root)) {
    throw new BuilderError("NOT_WRITABLE", `the name of LIVELAB_HOME, ${root}, has bytes that are not UTF-8`, {
      hint: "set LIVELAB_HOME to a folder whose name is UTF-8",
    });
  }
  const home: LivelabHome = {
    root,
    store: join(root, "store"),
    bases: join(root, "bases"),
    layers: join(root, "layers"),
    vm: join(root, "vm"),
    builds: join(root, "builds"),
    machines: join(root, "machines"),
    locks: join(root, "locks"),
  };
  const make = (folder: string): Promise<unknown> =>
    mkdir(folder, { recursive: true }).catch(async (cause: Error) => {
      throw await refused(home, folder, "make", cause);
    });
  await make(root);
  await assertOurs(home); // before anything of ours is in it
  for (const folder of Object.values(home)) await make(folder);
  return home;
}

/**
 * Fails for a home that another user filled: what that user made cannot be changed here, and roots of machines have the
 * owners that user could give them. Looks at every folder and file that livelab itself replaces, not into machines' roots.
 */
async function assertOurs(home: LivelabHome): Promise<void> {
  const { store, builds } = home;
  const ourUid = await uidOfNewFiles(home);
  // The folder itself may be another's, as one that a container gets from its host.
  for (const folder of Object.values(home)) {
    const entries = await entriesOf(folder);
    await assertEntries(entries, { home, ourUid });
    if (folder !== store && folder !== builds) continue;
    for (const entry of entries) await assertEntries(await entriesOf(entry), { home, ourUid });
  }
}

/** Files get this owner here; on a network share or in a container that need not be who we are. */
async function uidOfNewFiles(home: LivelabHome): Promise<number> {
  const { root } = home;
  try {
    // A name of its own: livelabs in two containers may have the same pid.
    const probe = await mkdtemp(join(root, ".livelab-probe-"));
    try {
      return (await stat(probe)).uid;
    } finally {
      await rmdir(probe);
    }
  } catch (cause) {
    throw await refused(home, root, "write", cause as Error);
  }
}

const entriesOf = async (folder: string): Promise<string[]> =>
  (await readdir(folder).catch(() => [])).sort().map((name) => join(folder, name)); // a file, or unreadable and so foreign

/** Entries that vanish meanwhile are another livelab's, which uses the same home. */
async function assertEntries(
  paths: readonly string[],
  { home, ourUid }: { home: LivelabHome; ourUid: number },
): Promise<void> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    const isRootOfMachines = path.startsWith(`${home.bases}/`) || path.startsWith(`${home.layers}/`);
    // Root may write everywhere, and would leave files that the owner cannot remove.
    const mayShare = process.geteuid?.() !== 0 && !isRootOfMachines;
    if (found.uid !== ourUid && !mayShare) throw foreign(home, path, found.uid);
    if (found.isFile() && path.startsWith(`${home.store}/`)) continue; // read, and replaced by its name only
    try {
      await access(path, found.isDirectory() ? constants.R_OK | constants.W_OK | constants.X_OK : constants.W_OK);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") continue;
      if (found.uid !== ourUid) throw foreign(home, path, found.uid);
      if (found.isDirectory()) throw await refused(home, path, "write", cause as Error);
    }
  }
}

/** @param what tried on the folder: "make" or "write" */
async function refused(
  home: LivelabHome,
  folder: string,
  what: string,
  cause: NodeJS.ErrnoException,
): Promise<BuilderError> {
  const { root, store } = home;
  const owner = ownerOf(root);
  const isFilled = isRefusal(cause) && (await isThere(store));
  if (isFilled && owner !== undefined && owner !== process.geteuid?.()) return foreign(home, root, owner);
  return new BuilderError("NOT_WRITABLE", `cannot ${what} ${folder}: ${whyRefused(folder, cause)}`, {
    hint: `set LIVELAB_HOME (now ${root}) to a folder that you may write to`,
    cause,
  });
}

/** Owners inside the roots of machines are part of what they are: these are made anew, not handed over. */
function foreign({ root, bases, layers }: LivelabHome, path: string, owner: number): BuilderError {
  const us = process.geteuid?.() ?? -1;
  const ownerName = passwdEntryOf(owner)?.name ?? `#${owner}`;
  const words = [bases, layers].map(quoteWord).join(" ");
  const takeOver = `sudo rm -rf ${words} && sudo chown -R ${us} ${quoteWord(root)}`;
  const hint =
    us === 0
      ? `run livelab as that user (sudo -u ${ownerName} ...), or set LIVELAB_HOME to a folder of root's own`
      : `set LIVELAB_HOME to a folder of your own, or take this one over: ${takeOver}`;
  return new BuilderError("FOREIGN_HOME", `${root} was filled by another user: ${whoseIs(path, owner)}`, { hint });
}
