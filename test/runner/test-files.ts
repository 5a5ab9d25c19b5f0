/** Which compiled files hold tests, and what kind each is. */
import { existsSync, readdirSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, isAbsolute, join, relative, resolve } from "node:path";
import { UsageError } from "../../base/livelab-error.js";
import { nearestLine } from "../../harness/console/nearest-line.js";

/**
 * Machine tests start QEMU or a builder machine: they take minutes, and the whole host. Image tests boot out/latest, which
 * the boot scenarios before them build when it is missing. All others are quick.
 */
export type TestKind = "unit" | "machine" | "image";

/** Kinds of the folders below test/; tests anywhere else are unit tests. */
const KIND_BY_FOLDER: Readonly<Record<string, TestKind | undefined>> = { machine: "machine", image: "image" };

export interface TestFile {
  /** Source of the tests, e.g. "base/format.test.ts". */
  readonly name: string;
  /** What it is compiled to. */
  readonly path: string;
  readonly kind: TestKind;
}

/** All files of tests below dist/, sorted. */
export async function findTestFiles(dist: string): Promise<readonly TestFile[]> {
  const names = await readdir(dist, { recursive: true });
  return names
    .filter((name) => name.endsWith(".test.js"))
    .sort()
    .map((name) => testFile(dist, name));
}

/** Folders that arguments are looked for in. */
export interface TestPlaces {
  /** The clone. */
  readonly root: string;
  /** Where it is compiled to. */
  readonly dist: string;
  /** Folder that an argument is relative to. */
  readonly cwd: string;
  /** The folder of npm's caller, $INIT_CWD: npm itself goes to the clone's root. @default none */
  readonly callerCwd?: string | undefined;
}

/**
 * The compiled file of tests that an argument means: a source (base/format.test.ts) or what it is compiled to.
 * @throws UsageError NO_SUCH_TEST, with the file whose name is nearest
 */
export function testFileOf(argument: string, { root, dist, cwd, callerCwd }: TestPlaces): TestFile {
  for (const folder of callerCwd === undefined ? [cwd] : [cwd, callerCwd]) {
    const path = resolve(folder, argument);
    const below = (top: string): string | undefined => {
      const name = relative(top, path);
      return name.startsWith("..") || isAbsolute(name) ? undefined : name;
    };
    const compiled = (below(dist) ?? below(root))?.replace(/\.ts$/, ".js");
    if (compiled?.endsWith(".test.js") && existsSync(join(dist, compiled))) return testFile(dist, compiled);
  }
  const near = nearestTest(argument, dist);
  throw new UsageError(
    "NO_SUCH_TEST",
    `${argument} is no file of tests${near === undefined ? "" : `; did you mean ${near}?`}`,
    {
      hint: "Name a source that ends in .test.ts; after adding one, run npm run setup.",
    },
  );
}

/** The test beside a source that was named, or the one with the most similar path; as a source. */
function nearestTest(argument: string, dist: string): string | undefined {
  const sources = readdirSync(dist, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js"))
    .sort()
    .map((name) => name.replace(/\.js$/, ".ts"));
  const named = basename(argument).replace(/(\.test)?(\.[jt]s)?$/, ".test.ts");
  // "test" and "ts" are in every name: without them the rest of the words decides.
  const words = (name: string): string => name.replace(/\.test\.ts$/, "");
  const nearest = nearestLine(words(argument.replace(/(\.test)?(\.[jt]s)?$/, "")), sources.map(words));
  return sources.find((name) => basename(name) === named) ?? (nearest && `${nearest}.test.ts`);
}

/** @param compiled path below dist/ */
function testFile(dist: string, compiled: string): TestFile {
  const folder = /^test\/([^/]+)\//.exec(compiled)?.[1] ?? "";
  const name = compiled.replace(/\.js$/, ".ts");
  return { name, path: join(dist, compiled), kind: KIND_BY_FOLDER[folder] ?? "unit" };
}
