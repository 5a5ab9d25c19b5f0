/**
 * The kernel in the lock, which builder VMs run: its version, and its file. A host without another kernel uses the file to
 * test whether KVM works.
 */
import { join } from "node:path";
import { isThere } from "../../../base/is-there.js";
import { InputError } from "../../builder-error.js";
import type { LivelabHome } from "../../home/home.js";
import type { Lock } from "../../profile/lock.js";
import type { LockedDeb } from "../../profile/lock-set.js";
import type { Store } from "../../store/store.js";
import { extractFile } from "../deb-archive.js";

const PACKAGE = /^linux-image-(\d.*)$/;

export function kernelPackage(lock: Lock): LockedDeb {
  const deb = lock.set("vm").packages.find(({ name }) => PACKAGE.test(name));
  if (deb === undefined) throw new InputError("MALFORMED", "lock set vm has no package linux-image-*");
  return deb;
}

/** The version of the kernel, as `uname -r` prints it. @throws InputError MALFORMED if the lock has no kernel */
export const lockedKernelVersion = (lock: Lock): string => kernelPackage(lock).name.replace(PACKAGE, "$1");

/** Extracts the kernel unless it exists. @returns its path, or undefined if the store has no kernel */
export async function findLockedKernel(home: LivelabHome, store: Store, lock: Lock): Promise<string | undefined> {
  const deb = kernelPackage(lock);
  const target = join(home.vm, `vmlinuz-${deb.digest.hex.slice(0, 16)}`);
  if (await isThere(target)) return target;
  const path = store.pathOf(deb.digest);
  if (!(await isThere(path))) return undefined;
  try {
    await extractFile(path, /^\.\/boot\/vmlinuz-[^/]*$/, target);
    return target;
  } catch {
    return undefined; // without a kernel KVM is not tested, and the accelerator's reason says so
  }
}
