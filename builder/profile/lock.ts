/**
 * The lock of a profile: its sets and its npm tree. A build uses only files that the lock names (DESIGN D3).
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "../../base/is-there.js";
import { InputError } from "../builder-error.js";
import { type Digest, formatDigest } from "./digest.js";
import { type LockedDeb, type LockSet, parseLockSet } from "./lock-set.js";
import { type LockedNpm, parseNpmLock } from "./npm-lock.js";
import { type LockSpec, type Profile, toolsSpec } from "./profiles.js";

export type LockedFile = LockedDeb | LockedNpm;

export class Lock<Spec extends LockSpec = Profile> {
  readonly profile: Spec;
  /** Sets in the profile's order. */
  readonly sets: readonly LockSet[];
  readonly npm: readonly LockedNpm[];

  constructor(profile: Spec, sets: readonly LockSet[], npm: readonly LockedNpm[]) {
    this.profile = profile;
    this.sets = sets;
    this.npm = npm;
  }

  /** Returns one set by name. @throws InputError NOT_FOUND */
  set(name: string): LockSet {
    const found = this.sets.find((set) => set.name === name);
    if (found !== undefined) return found;
    throw new InputError("NOT_FOUND", `the lock of profile ${this.profile.name} has no set "${name}"`, {
      hint: `sets: ${this.sets.map((set) => set.name).join(", ")}`,
    });
  }

  /** Returns every file that the lock names; equal contents occur once. */
  files(): LockedFile[] {
    const all: LockedFile[] = [...this.sets.flatMap((set) => set.packages), ...this.npm];
    return [...new Map(all.map((file) => [formatDigest(file.digest), file])).values()];
  }
}

/** Digest of all files that a lock names: two locks with the same digest need the same files. */
export function lockDigest(lock: Lock<LockSpec>): Digest {
  const names = lock.files().map(({ digest }) => formatDigest(digest));
  return { algorithm: "sha256", hex: createHash("sha256").update(names.sort().join("\n")).digest("hex") };
}

/** Name of a locked file in messages: "apt 2.6.1" or "npm json 11.0.0". */
export function describeLockedFile(file: LockedFile): string {
  return file.kind === "deb" ? `${file.name} ${file.version}` : `npm ${file.name} ${file.version}`;
}

/** The folder of a profile's lock. @param projectRoot folder that contains package.json */
export const lockFolder = (projectRoot: string, profile: LockSpec): string =>
  join(projectRoot, "builder", "lock", profile.name);

/** The folder of the npm lock. All profiles share it, because /usr/triton is the same in every profile. */
const npmLockFolder = (projectRoot: string): string => join(projectRoot, "builder", "lock", "npm");

/** Whether a profile has a lock. Some profiles have none until `livelab lock update` makes it. */
export async function hasLock(projectRoot: string, profile: LockSpec): Promise<boolean> {
  return isThere(lockFolder(projectRoot, profile));
}

/**
 * Reads the lock of a profile.
 * @param absent for a set without a file: `refuse` throws, `leave out` omits the set, so that `livelab lock update` can make it
 * @throws InputError NOT_FOUND if the lock or a file of it is missing, MALFORMED with file and line if a file is malformed
 */
export async function loadLock(
  projectRoot: string,
  profile: Profile,
  absent: "refuse" | "leave out" = "refuse",
): Promise<Lock> {
  const sets = await loadSets(projectRoot, profile, absent);
  const npmFile = join(npmLockFolder(projectRoot), "package-lock.json");
  return new Lock(profile, sets, parseNpmLock(await readLockFile(npmFile, profile), npmFile));
}

/** Reads the lock of the programs that livelab starts on the host. @throws as loadLock() */
export async function loadToolsLock(
  projectRoot: string,
  absent: "refuse" | "leave out" = "refuse",
): Promise<Lock<LockSpec>> {
  return new Lock(toolsSpec, await loadSets(projectRoot, toolsSpec, absent), []);
}

async function loadSets(projectRoot: string, spec: LockSpec, absent: "refuse" | "leave out"): Promise<LockSet[]> {
  if (absent === "refuse" && !(await hasLock(projectRoot, spec))) throw noLock(spec);
  const sets: LockSet[] = [];
  for (const { name } of spec.sets) {
    const file = join(lockFolder(projectRoot, spec), `${name}.Packages`);
    if (absent === "leave out" && !(await isThere(file))) continue;
    sets.push(parseLockSet(name, await readLockFile(file, spec), file));
  }
  return sets;
}

function noLock({ name, suites }: LockSpec): InputError {
  const hosts = new Set(suites.flatMap(({ lastResorts }) => lastResorts.map((url) => new URL(url).hostname)));
  const takes = `making it needs a host that reaches ${[...hosts].join(" or ")}`;
  return new InputError("NOT_FOUND", `the project has no lock for profile ${name}; ${takes}`, {
    hint: `on such a host run livelab lock update -p ${name}, and commit builder/lock/${name}`,
  });
}

async function readLockFile(file: string, profile: LockSpec): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new InputError("NOT_FOUND", `the lock of profile ${profile.name} is incomplete: cannot read ${file}`, {
      hint: `livelab lock update -p ${profile.name}`,
      cause,
    });
  }
}
