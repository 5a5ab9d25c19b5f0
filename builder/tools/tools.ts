/**
 * The programs that livelab starts on the host, from the lock "tools": QEMU with its firmware, and the tools of the sandbox.
 * They are unpacked once into LIVELAB_HOME, and start with their own libraries (launchers.ts), so that the host needs neither
 * a package manager nor root, and results do not depend on its programs.
 */
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { access, mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { isThere } from "../../base/is-there.js";
import type { Progress, Step } from "../../base/progress/progress.js";
import { BuilderError } from "../builder-error.js";
import { Draft, sweepDrafts } from "../home/draft.js";
import type { LivelabHome } from "../home/home.js";
import { markInUse } from "../home/home-use.js";
import { claimWork } from "../home/made-once.js";
import { unpackDeb } from "../machines/deb-archive.js";
import { digestOf, formatDigest } from "../profile/digest.js";
import { describeLockedFile, type Lock } from "../profile/lock.js";
import type { LockedDeb } from "../profile/lock-set.js";
import { type LockSpec, TEST_TOOLS_SET, TOOLS_SET } from "../profile/profiles.js";
import { type FetchRequest, fetchInputs } from "../store/fetch.js";
import type { ProxySettings } from "../store/http-get.js";
import type { Mirrors } from "../store/mirrors.js";
import type { Store } from "../store/store.js";
import { LAUNCHERS_VERSION, writeLaunchers } from "./launchers.js";

export interface ToolsRequest {
  readonly home: LivelabHome;
  readonly store: Store;
  /** Called only if a package is missing. */
  readonly mirrors: () => Promise<Mirrors>;
  readonly progress: Progress;
  /** @default no proxy */
  readonly proxy?: ProxySettings | undefined;
  /** Retries of mirrors; see FetchRequest. */
  readonly retry?: FetchRequest["retry"];
  readonly signal?: AbortSignal | undefined;
}

/** Programs of locked packages, in one folder. */
export interface ToolSet {
  /** For messages and as the first part of the folder's name. */
  readonly name: string;
  readonly profile: LockSpec;
  readonly packages: readonly LockedDeb[];
  /** The programs that get a launcher. The others do not, so that the host's `su`, for example, remains the host's. */
  readonly programs: readonly string[];
  /** The set that has the rest of their libraries. @default none */
  readonly on?: ToolSet;
}

/** QEMU with its firmware, and the tools of the sandbox. @param lock the lock "tools" */
export const hostTools = (lock: Lock<LockSpec>): ToolSet => ({
  name: TOOLS_SET,
  profile: lock.profile,
  packages: lock.set(TOOLS_SET).packages,
  programs: [
    "qemu-system-x86_64",
    ...["setpriv", "unshare", "mount", "umount", "pivot_root"],
    ...["tar", "xz", "sed"],
    "sh", // dash: a busybox that is the host's sh may prefer its own tar to that in the PATH
    ...["cat", "chmod", "chown", "chroot", "cp", "cut", "head", "ln", "ls", "mkdir", "mv", "printf", "rm", "rmdir"],
    ...["tail", "true"],
    "setsid", // for tests of the console
  ],
});

/** What only the tests of livelab use. @param image the lock of a profile: parts of proto run with the image's own jq and busybox */
export const testTools = (lock: Lock<LockSpec>, image: Lock): readonly ToolSet[] => [
  {
    name: TEST_TOOLS_SET,
    profile: lock.profile,
    packages: lock.set(TEST_TOOLS_SET).packages,
    programs: ["git", "shellcheck", "bash", "find", "xargs", "grep", "gzip", "mawk", "awk", "script"],
    on: hostTools(lock),
  },
  {
    name: "image-tools",
    profile: image.profile,
    packages: image.set("image").packages.filter(({ name }) => IMAGE_TOOLS.includes(name)),
    programs: ["jq", "busybox"],
    on: hostTools(lock), // its C library, which is later, runs them too
  },
];
/** jq and busybox with their libraries. */
const IMAGE_TOOLS = ["busybox", "jq", "libjq1", "libonig5"];

/** What a folder lacks of its packages: nothing that a program reads. */
const UNUSED =
  /^(etc|var|usr\/share\/(doc|man|locale|info|lintian|bash-completion|zsh|applications|icons|metainfo|bug|doc-base|perl\d*|gcc|gdb|cmake)|usr\/lib\/(systemd|udev|tmpfiles\.d|sysusers\.d|init|mime))(\/|$)/;

/** Digest of everything that the content of a set's folder depends on. */
function keyOf(set: ToolSet): string {
  return digestOf({
    launchers: LAUNCHERS_VERSION,
    unused: UNUSED.source,
    programs: set.programs.join(" "),
    packages: set.packages.map(({ digest }) => formatDigest(digest)).join(" "),
    on: set.on === undefined ? "" : keyOf(set.on),
  });
}

/** Folder of a set; gc keeps those of the present sets. */
export const folderOf = (home: LivelabHome, set: ToolSet): string =>
  join(home.tools, `${set.name}-${keyOf(set).slice(0, 16)}`);

/** Whether a name in `home.tools` is that of a set's folder. */
export const isToolsName = (name: string): boolean => /^[a-z-]+-[0-9a-f]{16}$/.test(name);

/** Folder of the launchers of a set: it goes into the PATH. */
const programsOf = (home: LivelabHome, set: ToolSet): string => join(folderOf(home, set), "launchers");

/**
 * Makes the programs of sets ready: fetches and unpacks them unless they are there.
 * @param sets each after those that it is on
 * @returns folders for the PATH, each with one file for each program
 * @throws InputError for packages that cannot be fetched; BuilderError BAD_HOME_PATH, HOST_DISK_FULL, NOT_WRITABLE, NO_EXEC
 */
export async function readyTools(request: ToolsRequest, sets: readonly ToolSet[]): Promise<readonly string[]> {
  assertUsablePath(request.home);
  await markInUse(request.home);
  for (const set of sets) await unpackSet(request, set);
  return sets.map((set) => programsOf(request.home, set));
}

async function unpackSet(request: ToolsRequest, set: ToolSet): Promise<void> {
  const { home, progress, signal } = request;
  const folder = folderOf(home, set);
  if (!(await isWhole(home, set))) {
    await progress.step(`unpack ${set.programs[0]} and other tools`, async (step) => {
      await using _making = await claimWork(home, keyOf(set), step, signal);
      if (await isWhole(home, set)) return;
      await sweepDrafts(home.tools); // those of killed processes are large
      await rm(folder, { recursive: true, force: true });
      await using draft = await Draft.begin(folder);
      await mkdir(draft.path);
      await unpackPackages(request, set, draft.path, step);
      await writeLaunchers(draft.path, set.programs, set.on === undefined ? [] : [basename(folderOf(home, set.on))]);
      await draft.commit();
    });
  }
  await assertExecutable(programsOf(home, set), set);
}

/** Whether a set has all its launchers. */
async function isWhole(home: LivelabHome, set: ToolSet): Promise<boolean> {
  const folder = programsOf(home, set);
  for (const name of set.programs) if (!(await isThere(join(folder, name)))) return false;
  return true;
}

/** ld.so(8) splits a library path at ":" and ";", and expands names after "$"; nothing quotes them. @throws BuilderError BAD_HOME_PATH */
function assertUsablePath({ root }: LivelabHome): void {
  const [character] = /[:;$]/.exec(root) ?? [];
  if (character === undefined) return;
  throw new BuilderError("BAD_HOME_PATH", `livelab's programs cannot run from ${root}: its path has a "${character}"`, {
    hint: 'set LIVELAB_HOME to a folder whose path has no ":", ";" and "$"',
  });
}

async function unpackPackages(request: ToolsRequest, set: ToolSet, folder: string, step: Step): Promise<void> {
  const { store, signal } = request;
  const { profile, packages } = set;
  await dropSpoilt(request, packages);
  await fetchInputs({ ...request, lock: { profile, files: () => packages } });
  for (const [index, deb] of packages.entries()) {
    signal?.throwIfAborted();
    step.status(`${index + 1}/${packages.length} ${deb.name}`);
    await unpackDeb(store.pathOf(deb.digest), folder, (path) => !UNUSED.test(path), describeLockedFile(deb));
  }
}

/** Removes packages from the store whose bytes have changed since livelab wrote them; they are then fetched again. */
async function dropSpoilt({ store, progress, signal }: ToolsRequest, packages: readonly LockedDeb[]): Promise<void> {
  for (const deb of packages) {
    signal?.throwIfAborted();
    if (!(await store.has(deb.digest, deb.size))) continue;
    const path = store.pathOf(deb.digest);
    const hash = createHash("sha256");
    await pipeline(createReadStream(path), hash);
    if (hash.digest("hex") === deb.digest.hex) continue;
    progress.note(`${describeLockedFile(deb)} in the store is damaged, so it is fetched again (${path})`);
    await rm(path, { force: true });
  }
}

/** access(2) refuses X_OK for every file of a file system that is mounted noexec. @throws BuilderError NO_EXEC */
async function assertExecutable(bin: string, { programs: [first = ""] }: ToolSet): Promise<void> {
  try {
    await access(join(bin, first), constants.X_OK);
  } catch (cause) {
    throw new BuilderError("NO_EXEC", `programs in ${bin} cannot be started: ${(cause as Error).message}`, {
      hint: "if that file system is mounted noexec (findmnt -T shows it), set LIVELAB_HOME to a folder on another one",
      cause,
    });
  }
}
