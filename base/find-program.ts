/** Where a program is on this host. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** @returns the absolute path of a program in the PATH, or undefined where there is none */
export async function findProgram(name: string): Promise<string | undefined> {
  try {
    const { stdout } = await run("/bin/sh", ["-c", 'command -v "$1"', "sh", name], { timeout: 5_000 });
    return stdout.trim();
  } catch {
    return undefined;
  }
}
