/** Where a program is on this host. */
import { runProgram } from "./run-program.js";

/** @returns the absolute path of a program in the PATH, or undefined where there is none */
export async function findProgram(name: string): Promise<string | undefined> {
  try {
    const { stdout } = await runProgram("/bin/sh", ["-c", 'command -v "$1"', "sh", name], { limitMs: 5_000 });
    return stdout.trim();
  } catch {
    return undefined;
  }
}
