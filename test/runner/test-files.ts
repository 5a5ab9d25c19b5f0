/** Which compiled files hold tests, and what kind each is. */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import { UsageError } from "../../vm/livelab-error.js";

/**
 * Machine tests start a machine: they take minutes, and the whole host. Image tests do so with out/latest, which the boot
 * scenarios before them build where it is missing. All others are quick.
 */
export type TestKind = "unit" | "machine" | "image";

/** Kinds of the folders below test/; tests anywhere else are unit tests. */
const KIND_BY_FOLDER: Readonly<Record<string, TestKind | undefined>> = { machine: "machine", image: "image" };

export interface TestFile {
  /** Path below dist/. */
  readonly name: string;
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

/**
 * The compiled file of tests that an argument means: a source (vm/format.test.ts) or what it is compiled to.
 * @param cwd folder that the argument is relative to
 * @throws UsageError NO_SUCH_TEST
 */
export function testFileOf(
  argument: string,
  { root, dist, cwd }: { root: string; dist: string; cwd: string },
): TestFile {
  const path = resolve(cwd, argument);
  const below = (folder: string): string | undefined => {
    const name = relative(folder, path);
    return name.startsWith("..") || isAbsolute(name) ? undefined : name;
  };
  const name = below(dist) ?? below(root);
  const compiled = name?.replace(/\.ts$/, ".js");
  if (compiled === undefined || !compiled.endsWith(".test.js") || !existsSync(join(dist, compiled))) {
    throw new UsageError("NO_SUCH_TEST", `${argument} is no file of tests`, {
      hint: "Name a source such as vm/format.test.ts; after adding one, run npm run setup.",
    });
  }
  return testFile(dist, compiled);
}

function testFile(dist: string, name: string): TestFile {
  return { name, path: join(dist, name), kind: KIND_BY_FOLDER[/^test\/([^/]+)\//.exec(name)?.[1] ?? ""] ?? "unit" };
}
