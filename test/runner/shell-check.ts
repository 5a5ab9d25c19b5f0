/** Runs shellcheck on every shell file of the clone, whatever its name. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Check } from "./check.js";
import { repositoryFiles } from "./repository-files.js";
import { runProgram } from "./run-program.js";

export const shellCheck: Check = {
  name: "every shell file passes shellcheck",
  async problems(root) {
    const files = await repositoryFiles(root);
    const isShell = await Promise.all(
      files.map(async (file) => isShellFile(file, await readFile(join(root, file), "latin1"))),
    );
    const shellFiles = files.filter((_, index) => isShell[index]);
    if (shellFiles.length === 0) return ["found no shell file, though .ci/run is one"];
    // A script is checked together with the files that it sources, relative to its own folder.
    const options = ["--color=never", "--external-sources", "--source-path=SCRIPTDIR"];
    const { code, output } = await runProgram(["shellcheck", ...options, ...shellFiles], root);
    if (code === 0) return [];
    return [code === undefined ? `shellcheck did not run: ${output}` : output];
  },
};

/** Recognises a shell file by its extension, its first line, or, for a sourced file, a shellcheck directive. */
export function isShellFile(path: string, text: string): boolean {
  return /\.(sh|bash)$/.test(path) || /^#!.*[/ ](ba|da|k)?sh\b/.test(text) || /^# shellcheck shell=/m.test(text);
}
