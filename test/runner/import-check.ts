/**
 * Checks that imports follow the drawing in docs/architecture.md, that no files import each other in a circle, and that only
 * one file imports a foreign package. So each part can be understood, tested and replaced by itself.
 */
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import type { Check } from "./check.js";
import { drawingProblems, parseRooms, partOf, partsBelow, type Rooms, roomOf } from "./rooms.js";

/** Folders of TypeScript. The drawing has the rooms of FOLDERS; TEST_FOLDERS may import everything. */
const FOLDERS = ["base", "vm", "builder", "harness", "cli"];
const TEST_FOLDERS = ["test", "fixtures"];

/** A language for schemas, used wherever a file format is read: one file in front of it would only repeat it. */
const WITHOUT_DOOR = ["zod"];

/** File contents by path relative to the root. */
export type Sources = ReadonlyMap<string, string>;

export const importCheck: Check = {
  name: "imports follow the drawing of the rooms, and each foreign package is imported in one file",
  async problems(root) {
    const rooms = parseRooms(await readFile(join(root, "docs/architecture.md"), "utf8"));
    const sources = await readSources(root);
    return [
      ...drawingProblems(rooms),
      ...roomProblems(sources, rooms),
      ...unusedArrows(sources, rooms),
      ...circleProblems(sources),
      ...packageProblems(sources),
    ];
  },
};

async function readSources(root: string): Promise<Sources> {
  const listed = [...FOLDERS, ...TEST_FOLDERS].map(async (folder) =>
    (await readdir(join(root, folder), { recursive: true })).map((name) => join(folder, name)),
  );
  const names = (await Promise.all(listed)).flat().filter((name) => name.endsWith(".ts"));
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(join(root, name), "utf8")] as const)),
  );
}

const isTest = (file: string): boolean => /\.(test|bench)\.ts$/.test(file);
const servesTests = (file: string): boolean => TEST_FOLDERS.includes(partOf(file));

/** Finds imports that the drawing does not allow, and files in no room. */
export function roomProblems(sources: Sources, rooms: Rooms): readonly string[] {
  const problems: string[] = [];
  for (const [file, text] of sources) {
    const room = roomOf(file, rooms);
    if (servesTests(file) && !rooms.has(room)) continue;
    const imports = rooms.get(room);
    if (imports === undefined) {
      problems.push(`${file} is in no room of the drawing in docs/architecture.md`);
      continue;
    }
    const parts = new Set([...partsBelow(partOf(file), rooms), ...TEST_FOLDERS]);
    for (const target of filesImportedBy(file, text)) {
      const other = roomOf(target, rooms);
      if (isTest(file) ? parts.has(partOf(target)) : other === room || imports.includes(other)) continue;
      const allowed = isTest(file) ? [...parts] : imports;
      problems.push(
        `${file} imports ${target}; ${room} may import ${allowed.join(", ") || "nothing"} (docs/architecture.md)`,
      );
    }
  }
  return problems;
}

/** Finds arrows of the drawing that no import needs: they would allow unintended imports. */
export function unusedArrows(sources: Sources, rooms: Rooms): readonly string[] {
  const used = new Map<string, Set<string>>();
  for (const [file, text] of sources) {
    if (isTest(file)) continue;
    const room = roomOf(file, rooms);
    const targets = used.get(room) ?? new Set();
    for (const target of filesImportedBy(file, text)) targets.add(roomOf(target, rooms));
    used.set(room, targets);
  }
  const problems: string[] = [];
  for (const [room, imports] of rooms) {
    if (!used.has(room)) problems.push(`docs/architecture.md draws ${room}, which has no files`);
    const unused = imports.filter((name) => used.has(room) && !used.get(room)?.has(name));
    if (unused.length > 0)
      problems.push(`docs/architecture.md lets ${room} import ${unused.join(", ")}: no file of it does`);
  }
  return problems;
}

/** Finds files that import each other, directly or through others. Each circle is named once. */
export function circleProblems(sources: Sources): readonly string[] {
  const problems: string[] = [];
  const finished = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) problems.push(`files import each other in a circle: ${[...path.slice(start), file].join(" → ")}`);
    if (start >= 0 || finished.has(file)) return;
    for (const target of filesImportedBy(file, sources.get(file) ?? "")) visit(target, [...path, file]);
    finished.add(file);
  };
  for (const file of sources.keys()) visit(file, []);
  return problems;
}

/** Finds foreign packages that more than one file of the product imports. */
export function packageProblems(sources: Sources): readonly string[] {
  const doors = new Map<string, Set<string>>();
  for (const [file, text] of sources) {
    if (isTest(file) || servesTests(file)) continue;
    for (const specifier of importedBy(text)) {
      if (specifier.startsWith(".") || specifier.startsWith("node:")) continue;
      const name = packageOf(specifier);
      doors.set(name, (doors.get(name) ?? new Set()).add(file));
    }
  }
  return [...doors]
    .filter(([name, files]) => files.size > 1 && !WITHOUT_DOOR.includes(name))
    .map(([name, files]) => `package ${name} is imported in ${[...files].sort().join(", ")}: keep one`);
}

/** "zod/v4" → "zod"; "@scope/name/part" → "@scope/name" */
const packageOf = (specifier: string): string =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

/** The project's own files that a file imports, as paths relative to the root. */
const filesImportedBy = (file: string, text: string): readonly string[] =>
  importedBy(text)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => normalize(join(dirname(file), specifier)).replace(/\.js$/, ".ts"));

/** The specifiers of a module's imports and re-exports, types included. */
export function importedBy(text: string): readonly string[] {
  const statements = /^(?:import|export)\b(?:[^;'"]*?\bfrom)?\s*["']([^"']+)["']/gm;
  const calls = /\bimport\(\s*["']([^"']+)["']\s*\)/g;
  return [statements, calls].flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ""));
}
