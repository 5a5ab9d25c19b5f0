/** The compiled program in dist/: made anew when a source has changed, and only then. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { lastLines, runCommand } from "./run-command.mjs";
import { SetupError } from "./setup-error.mjs";

const TIMEOUT_MS = 5 * 60_000;

/**
 * Folders with sources, as in tsconfig.json's include, and set-up's, whose types sources import; beside them the files at
 * the root.
 */
const SOURCE_FOLDERS = ["setup", "base", "vm", "builder", "harness", "cli", "fixtures", "test"];

/** What else shapes the output: options, module kind, the compiler's version. */
const SETTINGS = ["package.json", "package-lock.json", "tsconfig.json"];

/** Where dist/ keeps the digest of the sources it was made from. */
const stampFile = (root) => join(root, "dist", ".sources-sha256");

/**
 * @param {string} root the clone
 * @returns {string} SHA-256 over names and contents of all that dist/ is made from
 */
export function sourcesDigest(root) {
  const hash = createHash("sha256");
  const settings = SETTINGS.filter((file) => existsSync(join(root, file))); // a missing one is npm's to report
  for (const file of [...settings, ...sourceFiles(root)]) {
    const content = readFileSync(join(root, file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

function sourceFiles(root) {
  const isSource = (name) => /\.m?ts$/.test(name);
  const inFolders = SOURCE_FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)),
  );
  return [...readdirSync(root), ...inFolders].filter(isSource).sort();
}

/** True when dist/ was made from the sources as they are now. */
export function isCompiled(root) {
  return existsSync(stampFile(root)) && readFileSync(stampFile(root), "utf8") === sourcesDigest(root);
}

/**
 * Compiles into a folder beside dist/ and puts it in its place, so that dist/ is never half of one and half of another.
 * Call it from one process at a time.
 * @param {string} root the clone
 * @throws SetupError with what the compiler said
 */
export async function compile(root) {
  const digest = sourcesDigest(root); // before compiling: a change made meanwhile compiles again next time
  const fresh = join(root, "dist-fresh");
  const old = join(root, "dist-old");
  for (const leftover of [fresh, old]) rmSync(leftover, { recursive: true, force: true });
  try {
    mkdirSync(fresh); // a folder that refuses us is not a source that does not compile
    const { code, output } = await runCommand([join(root, "node_modules/.bin/tsc"), "-p", root, "--outDir", fresh], {
      cwd: root,
      timeoutMs: TIMEOUT_MS,
    });
    if (code === undefined) {
      throw new SetupError(
        3,
        `the compiler did not run to its end:\n${lastLines(output)}`,
        "rm -r node_modules, then run the command again.",
      );
    }
    if (code !== 0) {
      throw new SetupError(
        70,
        `the sources do not compile:\n${lastLines(output, 40)}`,
        "Mend them; dist/ is as it was.",
      );
    }
    const program = join(fresh, "cli/main.js");
    if (existsSync(program)) chmodSync(program, 0o755); // npx runs it as a program
    writeFileSync(join(fresh, ".sources-sha256"), digest);
    if (existsSync(join(root, "dist"))) moveAway(join(root, "dist"), old);
    renameSync(fresh, join(root, "dist"));
  } finally {
    for (const leftover of [fresh, old]) rmSync(leftover, { recursive: true, force: true });
  }
}

/** overlayfs does not rename a folder of a lower layer, as when the clone came with a container image. */
function moveAway(folder, to) {
  try {
    renameSync(folder, to);
  } catch (error) {
    if (error.code !== "EXDEV") throw error;
    rmSync(folder, { recursive: true });
  }
}
