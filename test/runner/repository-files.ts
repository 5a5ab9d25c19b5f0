/** The files of the clone as git sees them: those it knows, and new ones that it would add. */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "./run-program.js";

/**
 * Plain files only; what git knows but is not there any more is left out, and so are links, which may point into the image.
 * @returns paths relative to the root
 * @throws Error when git does not answer
 */
export async function repositoryFiles(root: string): Promise<readonly string[]> {
  // Another user's clone is fine to read; git would refuse it without safe.directory.
  const { code, stdout, output } = await runProgram(
    ["git", "-c", `safe.directory=${root}`, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    root,
  );
  if (code !== 0) throw new Error(`git ls-files in ${root}: ${output}`);
  const files = stdout.split("\0").filter(Boolean);
  const isPlain = await Promise.all(
    files.map(async (file) => (await lstat(join(root, file)).catch(() => undefined))?.isFile()),
  );
  return files.filter((_, index) => isPlain[index]);
}
