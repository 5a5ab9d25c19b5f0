/** Chooses the working folder of programs. */
import { accessSync, constants } from "node:fs";

/**
 * Returns the working folder of this process, or `/` if it no longer exists or this user may not enter it.
 * execa changes to the folder of a program before it starts the program. A refused chdir(2) would look like a missing program.
 */
export function usableFolder(): string {
  try {
    const folder = process.cwd();
    accessSync(folder, constants.X_OK); // Node remembers the path also after the folder is gone
    return folder;
  } catch {
    return "/";
  }
}
