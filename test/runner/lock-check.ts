/**
 * package-lock.json names packages by version and digest and by nothing else. A download address would pin one registry,
 * perhaps one that only the machine of its last editor can reach; a path would pin that machine.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Check } from "./check.js";

export const lockCheck: Check = {
  name: "package-lock.json holds digests, no addresses and no paths",
  async problems(root) {
    return lockProblems(await readFile(join(root, "package-lock.json"), "utf8"));
  },
};

/** @param text of a package-lock.json, version 3 */
export function lockProblems(text: string): readonly string[] {
  const { packages } = JSON.parse(text) as { packages: Record<string, Record<string, unknown>> };
  return Object.entries(packages).flatMap(([path, entry]) => {
    if (path === "") return [];
    const problems: string[] = [];
    if (!path.startsWith("node_modules/") || entry["link"] === true) problems.push(`${path} is a path of some machine`);
    if (entry["resolved"] !== undefined) {
      problems.push(`${path} has an address: npm install --package-lock-only --omit-lockfile-registry-resolved`);
    }
    if (entry["integrity"] === undefined) problems.push(`${path} has no digest`);
    return problems;
  });
}
