/**
 * The lock's kernel as a file, for finding out whether KVM runs one on a host that has no other kernel to try with.
 * Cut out of its .deb with the host's tar and xz.
 */
import { execFile } from "node:child_process";
import { rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { LivelabHome } from "../home.js";
import type { Lock } from "../inputs/lock.js";
import type { Store } from "../inputs/store.js";
import { ownerTag } from "../owner.js";
import { findDataMember } from "./deb-archive.js";

const run = promisify(execFile);
const SCRIPT = 'tail -c "+$1" "$2" | head -c "$3" | "$4" -dc | tar -x -O -f - --wildcards "./boot/vmlinuz-*" >"$5"';

/** @returns its path, or undefined where the store has no kernel or the host no tar or xz */
export async function findLockedKernel(home: LivelabHome, store: Store, lock: Lock): Promise<string | undefined> {
  const deb = lock.set("vm").packages.find(({ name }) => /^linux-image-\d/.test(name));
  if (deb === undefined) return undefined;
  const target = join(home.vm, `vmlinuz-${deb.digest.hex.slice(0, 16)}`);
  if (await exists(target)) return target;
  const path = store.pathOf(deb.digest);
  if (!(await exists(path))) return undefined;
  const part = `${target}.${ownerTag()}`;
  try {
    const { offset, size, decompressor } = await findDataMember(path);
    await run("sh", ["-euc", SCRIPT, "sh", String(offset + 1), path, String(size), decompressor, part]);
    if ((await stat(part)).size === 0) return undefined;
    await rename(part, target);
    return target;
  } catch {
    return undefined; // without it KVM is not tried, which is told
  } finally {
    await rm(part, { force: true });
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
