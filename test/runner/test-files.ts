/** Finds the compiled test files and the kind of each. */
import { existsSync, readdirSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, isAbsolute, join, relative, resolve } from "node:path";
import { UsageError } from "../../base/livelab-error.js";
import { nearestLine } from "../../harness/console/nearest-line.js";

/**
 * Program tests start livelab, set-up or the test runner as users do, many times over. Machine tests start QEMU or a builder machine:
 * they take minutes and use the whole host. Image tests boot out/latest, which the boot scenarios before them build if it is
 * missing. All other tests are unit tests.
 */
export type TestKind = "unit" | "program" | "machine" | "image";

/** Kinds by folder below test/; all other tests are unit tests. */
const KIND_BY_FOLDER: Readonly<Record<string, TestKind | undefined>> = {
  project: "program",
  machine: "machine",
  image: "image",
};

export interface TestFile {
  /** Source of the tests, e.g. "base/format.test.ts". */
  readonly name: string;
  /** Its compiled file. */
  readonly path: string;
  readonly kind: TestKind;
}

/** Returns all test files in dist/, sorted. */
export async function findTestFiles(dist: string): Promise<readonly TestFile[]> {
  const names = await readdir(dist, { recursive: true });
  return names
    .filter((name) => name.endsWith(".test.js"))
    .sort()
    .map((name) => testFile(dist, name));
}

/** Folders in which arguments are looked up. */
export interface TestPlaces {
  /** The clone. */
  readonly root: string;
  /** Folder of its compiled files. */
  readonly dist: string;
  /** Folder that an argument is relative to. */
  readonly cwd: string;
  /** The folder of npm's caller, $INIT_CWD: npm itself goes to the clone's root. @default none */
  readonly callerCwd?: string | undefined;
}

/**
 * Finds the compiled test file for an argument: a source (base/format.test.ts) or its compiled file.
 * @throws UsageError NO_SUCH_TEST, with the most similar name
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
    `${argument} is not a test file${near === undefined ? "" : `; did you mean ${near}?`}`,
    {
      hint: "Name a source that ends in .test.ts; after adding one, run npm run setup.",
    },
  );
}

/** Returns the test of the named source, or the test with the most similar path; as a source. */
function nearestTest(argument: string, dist: string): string | undefined {
  const sources = readdirSync(dist, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.js"))
    .sort()
    .map((name) => name.replace(/\.js$/, ".ts"));
  const named = basename(argument).replace(/(\.test)?(\.[jt]s)?$/, ".test.ts");
  // Every name has "test" and "ts", so only the other words decide.
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
