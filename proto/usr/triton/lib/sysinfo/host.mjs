/**
 * How sysinfo looks at the machine: its files and what its commands say. What cannot be read is undefined, and never an
 * error: the one missing fact must not take the others along.
 *
 * @typedef {object} Host
 * @property {(path: string) => string | undefined} read a file's text, or undefined
 * @property {(path: string) => string[]} list the names in a folder, sorted; none if there is no folder
 * @property {(program: string, ...args: string[]) => Promise<string | undefined>} run what a command prints, or undefined
 *   where it fails
 * @property {(what: string) => void} warn says on standard error what went wrong
 */

import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** Longest time that a command may take, in milliseconds: a disk that hangs must not hang the agent that asks. */
const COMMAND_LIMIT_MS = 60_000;

/** Commands speak English, whatever the caller's locale, and need none of the caller's environment. */
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };

/** @returns {Host} */
export function openHost() {
  const warn = (what) => process.stderr.write(`sysinfo: ${what}\n`);
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
