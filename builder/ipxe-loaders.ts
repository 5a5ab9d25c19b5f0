/**
 * Extracts the iPXE loaders that a booter serves to firmware, undionly.kpxe and snponly.efi, from the locked package into a
 * folder, which the harness serves.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "../base/is-there.js";
import type { BuildContext } from "./build-context.js";
import { markInUse } from "./home/home-use.js";
import { extractFile } from "./machines/deb-archive.js";
import { describeLockedFile, IPXE_SET, Lock } from "./profile/lock.js";
import { fetchInputs } from "./store/fetch.js";

const LOADERS = ["undionly.kpxe", "snponly.efi"] as const;

/**
 * Fetches the package if the store lacks it. The folder is an artifact: gc removes it, and the next call makes it again.
 * @returns the folder @throws InputError see fetchInputs() and extractFile()
 */
export async function readyIpxeLoaders(
  buildContext: Pick<BuildContext, "home" | "lock" | "store" | "options" | "findMirrors">,
): Promise<string> {
  const { home, store } = buildContext;
  const { proxy, progress, signal } = buildContext.options;
  await markInUse(home);
  const set = buildContext.lock.set(IPXE_SET);
  const folder = join(home.store, "artifacts", `ipxe-${set.digest.hex.slice(0, 16)}`);
  const there = await Promise.all(LOADERS.map((name) => isThere(join(folder, name))));
  if (!there.includes(false)) return folder;
  const lock = new Lock(buildContext.lock.profile, [set], []);
  await fetchInputs({ lock, store, mirrors: () => buildContext.findMirrors(), progress, proxy, signal });
  await mkdir(folder, { recursive: true });
  for (const deb of set.packages) {
    const path = store.pathOf(deb.digest);
    for (const name of LOADERS) {
      await extractFile(path, `./usr/lib/ipxe/${name}`, join(folder, name), describeLockedFile(deb));
    }
  }
  return folder;
}
