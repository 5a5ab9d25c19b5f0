/** Compiles the program to dist/ if a source has changed. */
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
 * Folders with sources: those of tsconfig.json's include, and setup/, whose types the sources import. Files in the root count
 * as well.
 */
const SOURCE_FOLDERS = ["setup", "base", "vm", "builder", "harness", "cli", "fixtures", "test"];

/** Other inputs of the output: compiler options, the kind of modules, the version of the compiler. */
const SETTINGS = ["package.json", "package-lock.json", "tsconfig.json"];

/** The file in dist/ with the digest of its sources. */
const stampFile = (root) => join(root, "dist", ".sources-sha256");

/**
 * @param {string} root the clone
 * @returns {string} SHA-256 over the names and contents of all inputs of dist/
 */
export function sourcesDigest(root) {
  const hash = createHash("sha256");
  const settings = SETTINGS.filter((file) => existsSync(join(root, file))); // npm reports a missing one
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

/** Whether dist/ matches the current sources. */
export function isCompiled(root) {
  return existsSync(stampFile(root)) && readFileSync(stampFile(root), "utf8") === sourcesDigest(root);
}

/**
 * Compiles into a temporary folder and then replaces dist/ with it, so that dist/ never contains a mixture of two versions.
 * Call it from one process at a time.
 * @param {string} root the clone
 * @throws SetupError with the compiler's output
 */
export async function compile(root) {
  const digest = sourcesDigest(root); // before compiling, so that a change in the meantime compiles again next time
  const fresh = join(root, "dist-fresh");
  const old = join(root, "dist-old");
  for (const leftover of [fresh, old]) rmSync(leftover, { recursive: true, force: true });
  try {
    mkdirSync(fresh); // reports an unwritable folder as such, not as a failed compilation
    const { code, output } = await runCommand([join(root, "node_modules/.bin/tsc"), "-p", root, "--outDir", fresh], {
      cwd: root,
      timeoutMs: TIMEOUT_MS,
    });
    if (code === undefined) {
      throw new SetupError(
        3,
        `the compiler did not run to completion:\n${lastLines(output)}`,
        "rm -r node_modules, then run the command again.",
      );
    }
    if (code !== 0) {
      throw new SetupError(
        70,
        `the sources do not compile:\n${lastLines(output, 40)}`,
        "Fix them; dist/ is unchanged.",
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

/** Moves a folder, or deletes it if overlayfs cannot rename it because it is in a lower layer, such as a container image. */
function moveAway(folder, to) {
  try {
    renameSync(folder, to);
  } catch (error) {
    if (error.code !== "EXDEV") throw error;
    rmSync(folder, { recursive: true });
  }
}
