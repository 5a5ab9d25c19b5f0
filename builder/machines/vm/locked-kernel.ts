/**
 * The lock's kernel, which builder VMs run: its package; and as a file, for finding out whether KVM runs one on a host
 * that has no other kernel to try with. Cut out of its .deb with the host's tar and xz.
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

function kernelPackage(lock: Lock): LockedDeb {
  const deb = lock.set("vm").packages.find(({ name }) => PACKAGE.test(name));
  if (deb === undefined) throw new InputError("MALFORMED", "set vm of the lock has no kernel");
  return deb;
}

/** Its version, as `uname -r` says it. @throws InputError MALFORMED for a lock without one */
export const lockedKernelVersion = (lock: Lock): string => kernelPackage(lock).name.replace(PACKAGE, "$1");

/** @returns its path, or undefined where the store has no kernel or the host no tar or xz */
export async function findLockedKernel(home: LivelabHome, store: Store, lock: Lock): Promise<string | undefined> {
  const deb = kernelPackage(lock);
  const target = join(home.vm, `vmlinuz-${deb.digest.hex.slice(0, 16)}`);
  if (await isThere(target)) return target;
  const path = store.pathOf(deb.digest);
  if (!(await isThere(path))) return undefined;
  try {
    await extractFile(path, "./boot/vmlinuz-*", target);
    return target;
  } catch {
    return undefined; // without it KVM is not tried, which is told
  }
}
