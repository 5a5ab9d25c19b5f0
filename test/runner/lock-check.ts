/**
 * Checks that package-lock.json names all packages by version and digest only. A download address would pin one
 * registry, perhaps one that only its last editor can reach; a path would pin that editor's machine. npm silently leaves
 * a package that the editor's registry lacks out of the lock, and then `npm ci` fails everywhere.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Check } from "./check.js";

export const lockCheck: Check = {
  name: "package-lock.json is complete: digests of all packages, no addresses and no paths",
  async problems(root) {
    return lockProblems(await readFile(join(root, "package-lock.json"), "utf8"));
  },
};

/** @param text content of a package-lock.json, version 3 */
export function lockProblems(text: string): readonly string[] {
  const { packages } = JSON.parse(text) as { packages: Record<string, Record<string, unknown>> };
  return Object.entries(packages).flatMap(([path, entry]) => {
    if (path === "") return [];
    const problems: string[] = [];
    if (!path.startsWith("node_modules/") || entry["link"] === true)
      problems.push(`${path} is a path on the machine of its last editor`);
    if (entry["resolved"] !== undefined) {
      problems.push(
        `${path} has a download address; remove it: npm install --package-lock-only --omit-lockfile-registry-resolved`,
      );
    }
    if (entry["integrity"] === undefined) problems.push(`${path} has no digest`);
    const needed = Object.keys({ ...(entry["dependencies"] ?? {}), ...(entry["optionalDependencies"] ?? {}) });
    for (const name of needed.filter((name) => !isInLock(packages, path, name))) {
      problems.push(
        `${path} needs ${name}, which is not in the lock: the registry of its last editor lacks that package`,
      );
    }
    return problems;
  });
}

/** Looks for a package as Node does, from the folder of the package that needs it upwards. */
function isInLock(packages: Record<string, unknown>, from: string, name: string): boolean {
  const folders = from.split("/node_modules/");
  return folders.some((_, depth) => {
    const folder = folders.slice(0, folders.length - depth).join("/node_modules/");
    return `${folder}/node_modules/${name}` in packages || `node_modules/${name}` in packages;
  });
}
