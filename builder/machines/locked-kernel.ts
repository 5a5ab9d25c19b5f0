/**
 * The lock's kernel as a file, for finding out whether KVM runs one on a host that has no other kernel to try with.
 * Cut out of its .deb with the host's tar and xz.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { LivelabHome } from "../home.js";
import type { Lock } from "../inputs/lock.js";
import type { Store } from "../inputs/store.js";
import { extractFile } from "./deb-archive.js";

/** @returns its path, or undefined where the store has no kernel or the host no tar or xz */
export async function findLockedKernel(home: LivelabHome, store: Store, lock: Lock): Promise<string | undefined> {
  const deb = lock.set("vm").packages.find(({ name }) => /^linux-image-\d/.test(name));
  if (deb === undefined) return undefined;
  const target = join(home.vm, `vmlinuz-${deb.digest.hex.slice(0, 16)}`);
  if (await exists(target)) return target;
  const path = store.pathOf(deb.digest);
  if (!(await exists(path))) return undefined;
  try {
    await extractFile(path, "./boot/vmlinuz-*", target);
    return target;
  } catch {
    return undefined; // without it KVM is not tried, which is told
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
