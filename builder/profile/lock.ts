/**
 * The lock of a profile: its sets and its npm tree. Nothing outside it ever enters a build (DESIGN D3).
 * Not here: recomputing it (lock-update.ts), the bytes that it names (store.ts).
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "../../base/is-there.js";
import { InputError } from "../builder-error.js";
import { type Digest, formatDigest } from "./digest.js";
import { type LockedDeb, type LockSet, parseLockSet } from "./lock-set.js";
import { type LockedNpm, parseNpmLock } from "./npm-lock.js";
import type { Profile } from "./profiles.js";

export type LockedFile = LockedDeb | LockedNpm;

export class Lock {
  readonly profile: Profile;
  /** In the profile's order; the last is IPXE_SET. */
  readonly sets: readonly LockSet[];
  readonly npm: readonly LockedNpm[];

  constructor(profile: Profile, sets: readonly LockSet[], npm: readonly LockedNpm[]) {
    this.profile = profile;
    this.sets = sets;
    this.npm = npm;
  }

  /** One set by name. @throws InputError NOT_FOUND */
  set(name: string): LockSet {
    const found = this.sets.find((set) => set.name === name);
    if (found !== undefined) return found;
    throw new InputError("NOT_FOUND", `the lock of profile ${this.profile.name} has no set "${name}"`, {
      hint: `sets: ${this.sets.map((set) => set.name).join(", ")}`,
    });
  }

  /** Every file that the lock names, each content once. */
  files(): LockedFile[] {
    const all: LockedFile[] = [...this.sets.flatMap((set) => set.packages), ...this.npm];
    return [...new Map(all.map((file) => [formatDigest(file.digest), file])).values()];
  }
}

/** One digest for everything that a lock names: two locks with the same one need the same files. */
export function lockDigest(lock: Lock): Digest {
  const names = lock.files().map(({ digest }) => formatDigest(digest));
  return { algorithm: "sha256", hex: createHash("sha256").update(names.sort().join("\n")).digest("hex") };
}

/** "apt 2.6.1" or "npm json 11.0.0": how messages name a locked file. */
export function describeLockedFile(file: LockedFile): string {
  return file.kind === "deb" ? `${file.name} ${file.version}` : `npm ${file.name} ${file.version}`;
}

/** The folder of a profile's lock. @param projectRoot folder that holds package.json */
export const lockFolder = (projectRoot: string, profile: Profile): string =>
  join(projectRoot, "builder", "lock", profile.name);

/** The folder of the npm lock: what goes under /usr/triton is the same in every profile. */
const npmLockFolder = (projectRoot: string): string => join(projectRoot, "builder", "lock", "npm");

/** The lock of the iPXE that the harness boots CNs with: one for all profiles, for none of them builds with it. */
export const IPXE_SET = "ipxe";
const ipxeLockFile = (projectRoot: string): string => join(projectRoot, "builder/lock/ipxe/ipxe.Packages");

/** Whether a profile has a lock at all: some have none until `livelab lock update` made it. */
export async function hasLock(projectRoot: string, profile: Profile): Promise<boolean> {
  return isThere(lockFolder(projectRoot, profile));
}

/**
 * Reads the lock of a profile.
 * @param absent of a set that has no file yet: `refuse` it, or `leave out` the set, for `livelab lock update` to make it
 * @throws InputError NOT_FOUND when the lock or a file of it is missing, MALFORMED with file and line when one is not a lock file
 */
export async function loadLock(
  projectRoot: string,
  profile: Profile,
  absent: "refuse" | "leave out" = "refuse",
): Promise<Lock> {
  if (!(await hasLock(projectRoot, profile))) throw noLock(profile);
  const folder = lockFolder(projectRoot, profile);
  const sets: LockSet[] = [];
  for (const { name } of profile.sets) {
    const file = join(folder, `${name}.Packages`);
    if (absent === "leave out" && !(await isThere(file))) continue;
    sets.push(parseLockSet(name, await readLockFile(file, profile), file));
  }
  const ipxeFile = ipxeLockFile(projectRoot);
  sets.push(parseLockSet(IPXE_SET, await readLockFile(ipxeFile, profile), ipxeFile));
  const npmFile = join(npmLockFolder(projectRoot), "package-lock.json");
  return new Lock(profile, sets, parseNpmLock(await readLockFile(npmFile, profile), npmFile));
}

function noLock({ name, suites }: Profile): InputError {
  const hosts = new Set(suites.flatMap(({ lastResorts }) => lastResorts.map((url) => new URL(url).hostname)));
  const takes = `it takes a host that reaches ${[...hosts].join(" or ")}`;
  return new InputError("NOT_FOUND", `there is no lock for profile ${name} in the project; ${takes}`, {
    hint: `livelab lock update -p ${name}, there, and commit builder/lock/${name}`,
  });
}

async function readLockFile(file: string, profile: Profile): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new InputError("NOT_FOUND", `the lock of profile ${profile.name} is not whole: ${file} cannot be read`, {
      hint: `livelab lock update -p ${profile.name}`,
      cause,
    });
  }
}
