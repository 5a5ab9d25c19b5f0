/**
 * How sysinfo and disklayout read the machine: its files and the output of its commands. An unreadable fact is undefined,
 * never an error, so that one missing fact does not prevent the others.
 *
 * @typedef {object} Host
 * @property {(path: string) => string | undefined} read returns a file's text, or undefined
 * @property {(path: string) => string[]} list returns the names in a folder, sorted; empty without the folder
 * @property {(program: string, ...args: string[]) => Promise<string | undefined>} run returns the output of a command, or
 *   undefined if it fails
 * @property {(what: string) => void} warn writes a warning to standard error
 */

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Time limit of a command, in milliseconds, so that a disk that hangs does not block the calling agent. */
const COMMAND_LIMIT_MS = 60_000;

/** Environment of the commands: their output is in English, independent of the caller's locale. */
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };

/**
 * @param {string} caller the calling command, whose name begins each warning
 * @returns {Host}
 */
export function openHost(caller) {
  const warn = (what) => process.stderr.write(`${caller}: ${what}\n`);
  return {
    warn,
    read(path) {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return undefined;
      }
    },
    list(path) {
      try {
        return readdirSync(path).sort();
      } catch {
        return [];
      }
    },
    run(program, ...args) {
      return new Promise((resolve) => {
        execFile(
          program,
          args,
          { env, timeout: COMMAND_LIMIT_MS, maxBuffer: 64 * 1024 * 1024 },
          (error, stdout, stderr) => {
            if (error) warn(`${[program, ...args].join(" ")}: ${stderr.trim() || error.message}`);
            resolve(error ? undefined : stdout);
          },
        );
      });
    },
  };
}
