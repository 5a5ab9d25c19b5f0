/**
 * Imports point one way, and each foreign package comes in by one door, so that a part can be understood, tested and
 * replaced by itself.
 */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import type { Check } from "./check.js";

/** What the files of a folder may import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: ["base"],
  vm: ["vm", "base"],
  builder: ["builder", "vm", "base"],
  harness: ["harness", "vm", "base"],
  cli: ["cli", "base", "vm", "builder", "harness", "test"],
  fixtures: ["fixtures", "base", "vm", "builder", "harness", "cli"],
  test: ["test", "fixtures", "base", "vm", "builder", "harness", "cli"],
};

/** A language for schemas, written wherever a file format is read: a door before it would only repeat it. */
const WITHOUT_DOOR = ["zod"];

/** Tests and benchmarks may use the tools of tests besides. */
const TESTS_MAY_IMPORT = ["test", "fixtures"];

export const importCheck: Check = {
  name: "imports point one way, and each foreign package is imported in one file",
  async problems(root) {
    return importProblems(await readSources(root));
  },
};

async function readSources(root: string): Promise<ReadonlyMap<string, string>> {
  const folders = Object.keys(MAY_IMPORT);
  const names = (await readdir(root)).concat(
    ...(await Promise.all(
      folders.map(async (folder) =>
        (await readdir(join(root, folder), { recursive: true })).map((name) => join(folder, name)),
      ),
    )),
  );
  const sources = names.filter((name) => name.endsWith(".ts"));
  return new Map(
    await Promise.all(sources.map(async (name) => [name, await readFile(join(root, name), "utf8")] as const)),
  );
}

/** @param sources text by path relative to the root */
export function importProblems(sources: ReadonlyMap<string, string>): readonly string[] {
  const problems: string[] = [];
  const doors = new Map<string, Set<string>>();
  for (const [file, text] of sources) {
    const folder = topFolder(file);
    const isTest = /\.(test|bench)\.ts$/.test(file);
    const allowed = [...(MAY_IMPORT[folder] ?? []), ...(isTest ? TESTS_MAY_IMPORT : [])];
    for (const specifier of importedBy(text)) {
      if (specifier.startsWith(".")) {
        const target = normalize(join(dirname(file), specifier));
        if (!allowed.includes(topFolder(target))) problems.push(`${file} imports ${target}, which ${rule(folder)}`);
      } else if (!specifier.startsWith("node:") && !isTest && folder !== "test" && folder !== "fixtures") {
        const name = packageOf(specifier);
        doors.set(name, (doors.get(name) ?? new Set()).add(file));
      }
    }
  }
  for (const [name, files] of doors) {
    if (files.size > 1 && !WITHOUT_DOOR.includes(name))
      problems.push(`package ${name} is imported in ${[...files].sort().join(", ")}: keep one`);
  }
  return problems;
}

const rule = (folder: string): string =>
  `${folder === "" ? "the root" : folder} may not: it imports ${(MAY_IMPORT[folder] ?? []).filter(Boolean).join(", ")} only`;

const topFolder = (path: string): string => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "");

/** "zod/v4" → "zod"; "@scope/name/part" → "@scope/name" */
const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

/** The specifiers of a module's imports and re-exports, types included. */
export function importedBy(text: string): readonly string[] {
  const statements = /^(?:import|export)\b(?:[^;'"]*?\bfrom)?\s*["']([^"']+)["']/gm;
  const calls = /\bimport\(\s*["']([^"']+)["']\s*\)/g;
  return [statements, calls].flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ""));
}
