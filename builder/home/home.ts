/**
 * The folders of $LIVELAB_HOME, and the check that they belong to this user.
 * Contents: store (store/store.ts), layers (machines/sandbox/), vm (machines/vm/vm-stages.ts), builds (release/release.ts).
 */
import { constants, readdirSync } from "node:fs";
import { access, mkdtemp, readdir, rmdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { quoteWord } from "../../base/command-line.js";
import { isThere } from "../../base/is-there.js";
import { makeFolder } from "../../base/make-folder.js";
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
  /** Programs that livelab starts on the host (builder/tools/tools.ts). */
  readonly tools: string;
  /** Files that each stage wrote in the sandbox, by stage key. */
  readonly layers: string;
  /** The builder VM's disk, with the files that each stage wrote, and its saved states. */
  readonly vm: string;
  /** One folder for each release: record, logs, lock. */
  readonly builds: string;
  /** Folders of running machines, and marks of processes that use the home. */
  readonly machines: string;
  /** Locks on work in progress, by its key. */
  readonly locks: string;
}

/** Folder of a release's record, logs and lock. */
export const releaseFolder = (home: LivelabHome, stamp: string): string => join(home.builds, stamp);
/** Folder of the files that a failed stage of the release wrote. */
export const failedLayerFolder = (home: LivelabHome, stamp: string): string =>
  join(releaseFolder(home, stamp), "failed");

/**
 * Makes missing folders, and checks that this user can work in them.
 * @throws BuilderError NOT_WRITABLE, FOREIGN_HOME
 */
export async function openHome(root: string): Promise<LivelabHome> {
  if (!hasReadableName(root)) {
    throw new BuilderError("NOT_WRITABLE", `the path of LIVELAB_HOME, ${root}, has bytes that are not UTF-8`, {
      hint: "set LIVELAB_HOME to a folder whose path is UTF-8",
    });
  }
  const home: LivelabHome = {
    root,
    store: join(root, "store"),
    bases: join(root, "bases"),
    tools: join(root, "tools"),
    layers: join(root, "layers"),
    vm: join(root, "vm"),
    builds: join(root, "builds"),
    machines: join(root, "machines"),
    locks: join(root, "locks"),
  };
  const make = (folder: string): Promise<unknown> =>
    makeFolder(folder).catch(async (cause: Error) => {
      throw await refused(home, folder, "make", cause);
    });
  await make(root);
  await assertOurs(home); // before livelab writes to it
  for (const folder of Object.values(home)) await make(folder);
  return home;
}

/**
 * Rejects a home that another user filled: this user cannot change its files, and the roots of machines have owners that
 * depend on the user who made them. Checks every folder and file that livelab itself replaces, not the machines' roots.
 */
async function assertOurs(home: LivelabHome): Promise<void> {
  const { store, builds } = home;
  const ourUid = await uidOfNewFiles(home);
  // The home folder itself may belong to another user, e.g. one that a container gets from its host.
  for (const folder of Object.values(home)) {
    const entries = await entriesOf(folder);
    await assertEntries(entries, { home, ourUid });
    if (folder !== store && folder !== builds) continue;
    for (const entry of entries) await assertEntries(await entriesOf(entry), { home, ourUid });
  }
}

/** Owner of new files here. On a network share or in a container it may differ from the uid of this process. */
async function uidOfNewFiles(home: LivelabHome): Promise<number> {
  const { root } = home;
  try {
    // A random name, because livelabs in two containers may have the same pid.
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
  (await readdir(folder).catch(() => [])).sort().map((name) => join(folder, name)); // [] for a file, or a folder that another user made unreadable

/** Ignores entries that disappear meanwhile: another livelab that uses the same home removed them. */
async function assertEntries(
  paths: readonly string[],
  { home, ourUid }: { home: LivelabHome; ourUid: number },
): Promise<void> {
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    const isRootOfMachines = path.startsWith(`${home.bases}/`) || path.startsWith(`${home.layers}/`);
    // Root can write everywhere, but its files could not be removed by the owner of the home.
    const mayShare = process.geteuid?.() !== 0 && !isRootOfMachines;
    if (found.uid !== ourUid && !mayShare) throw foreign(home, path, found.uid);
    if (found.isFile() && path.startsWith(`${home.store}/`)) continue; // files of the store are read, or replaced by a rename
    try {
      await access(path, found.isDirectory() ? constants.R_OK | constants.W_OK | constants.X_OK : constants.W_OK);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") continue;
      if (found.uid !== ourUid) throw foreign(home, path, found.uid);
      if (found.isDirectory()) throw await refused(home, path, "write", cause as Error);
    }
  }
}

/** @param what the action that failed: "make" or "write" */
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

/**
 * The take-over command removes the roots of machines: their files must keep their owners, so a chown would spoil them.
 * It is given only for a folder that holds nothing but a home: in /tmp or another's home it would ruin that folder.
 */
function foreign(home: LivelabHome, path: string, owner: number): BuilderError {
  const { root, bases, layers } = home;
  const us = process.geteuid?.() ?? -1;
  const ownerName = passwdEntryOf(owner)?.name ?? `#${owner}`;
  const words = [bases, layers].map(quoteWord).join(" ");
  const takeOver = `sudo rm -rf ${words} && sudo chown -R ${us} ${quoteWord(root)}`;
  const hint =
    us === 0
      ? `run livelab as that user (sudo -u ${ownerName} ...), or set LIVELAB_HOME to a folder that belongs to root`
      : `set LIVELAB_HOME to a folder that belongs to you${isOnlyHome(home) ? `, or take this one over: ${takeOver}` : ""}`;
  return new BuilderError("FOREIGN_HOME", `${root} was filled by another user: ${whoseIs(path, owner)}`, { hint });
}

/** What other rooms of livelab write beside these folders. */
const FILES = ["accelerator.json", "probe-kvm", "probe-tcg", "gc.lock"];

/** Whether the folder holds only what livelab makes there. */
function isOnlyHome(home: LivelabHome): boolean {
  const { root, ...folders } = home;
  const names = [...Object.values(folders).map((folder) => basename(folder)), ...FILES];
  try {
    return readdirSync(root).every((name) => names.includes(name));
  } catch {
    return false;
  }
}
