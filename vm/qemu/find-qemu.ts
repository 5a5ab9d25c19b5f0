/** Finds QEMU on this host, and its version. */
import { dirname } from "node:path";
import { quoteWord } from "../../base/command-line.js";
import { findProgram, pathFolders } from "../../base/find-program.js";
import { type ProgramError, runProgram } from "../../base/run-program.js";
import { toolFolders } from "../../base/tools.js";
import { VmError } from "../vm-error.js";
import { firstErrorLine } from "./qemu-log.js";

/** The program that runs machines. */
const QEMU_PROGRAM = "qemu-system-x86_64";

/** Name of the variable that takes another QEMU than livelab's own: a path, or a name in the PATH. */
const QEMU_VARIABLE = "LIVELAB_QEMU";

/** What the user can do about a QEMU that is missing or broken. @param path the one that was found */
export function qemuRemedy(path = ""): string {
  if (process.env[QEMU_VARIABLE]) return `correct ${QEMU_VARIABLE}, or unset it: livelab then uses its own QEMU`;
  if (isOwn(path)) return `rm -r ${quoteWord(dirname(dirname(path)))}: livelab then unpacks its own programs again`;
  return "livelab inputs fetch unpacks livelab's own QEMU; LIVELAB_QEMU takes another one";
}

const isOwn = (path: string): boolean => toolFolders().includes(dirname(path));

/**
 * Finds QEMU: $LIVELAB_QEMU, a path or the name of a program of the host, else the first in the PATH, which is livelab's own
 * once the tools are ready.
 * @throws VmError QEMU_NOT_FOUND
 */
export async function findQemu(named = process.env[QEMU_VARIABLE]): Promise<string> {
  const program = named || QEMU_PROGRAM;
  const own = toolFolders();
  const folders = pathFolders();
  const path = await findProgram(program, named ? folders.filter((folder) => !own.includes(folder)) : folders);
  if (path !== undefined) return path;
  const lack = program.includes("/") ? "is not a program that this user may run" : "is not in the PATH";
  throw new VmError("QEMU_NOT_FOUND", `${program} ${lack}`, { hint: qemuRemedy() });
}

/** Versions that livelab's tests have run with, by their first number. */
const TRIED_VERSIONS = [7, 10];
/** The oldest version that has all options and commands that livelab uses. */
const OLDEST_VERSION = 6;

/** A QEMU as messages and reports name it: "10.0.13, livelab's own", "8.2.2 at /usr/bin/qemu-system-x86_64, not tried by livelab". */
export function describeQemu(version: string, path: string): string {
  const place = isOwn(path) ? ", livelab's own" : ` at ${path}`;
  const isTried = TRIED_VERSIONS.includes(Number.parseInt(version, 10));
  return `${version}${place}${isTried ? "" : `, not tried by livelab (${TRIED_VERSIONS.join(" and ")} are)`}`;
}

/** Time limit for a QEMU that only prints something, in milliseconds. */
const PRINT_LIMIT_MS = 5_000;

/**
 * Runs QEMU and returns its output, e.g. with ["--version"].
 * @throws VmError QEMU_NOT_FOUND with the reason in one line if QEMU fails
 */
export async function printedByQemu(path: string, args: readonly string[]): Promise<string> {
  try {
    return (await runProgram(path, args, { limitMs: PRINT_LIMIT_MS })).stdout;
  } catch (cause) {
    throw new VmError("QEMU_NOT_FOUND", `${path} does not run: ${describeRunFailure(cause as ProgramError)}`, {
      hint: qemuRemedy(path),
      cause,
    });
  }
}

/** Describes the failure in one line: QEMU's first error, or how it ended. */
const describeRunFailure = ({ how, stderr, timedOut }: ProgramError): string =>
  (timedOut ? undefined : firstErrorLine(stderr.split("\n"))) ?? `it ${how}`;

/**
 * Reads QEMU's version, e.g. "7.2.22".
 * @throws VmError QEMU_NOT_FOUND if the program does not run or is not QEMU, QEMU_TOO_OLD before version 6
 */
export async function readQemuVersion(path: string): Promise<string> {
  const stdout = await printedByQemu(path, ["--version"]);
  const version = /^QEMU emulator version (\d+(\.\d+)*)/m.exec(stdout)?.[1];
  if (version !== undefined && Number.parseInt(version, 10) < OLDEST_VERSION) {
    throw new VmError("QEMU_TOO_OLD", `${path} is QEMU ${version}; livelab needs ${OLDEST_VERSION}.0 or later`, {
      hint: qemuRemedy(path),
    });
  }
  if (version !== undefined) return version;
  throw new VmError("QEMU_NOT_FOUND", `${path} is not QEMU: it prints ${JSON.stringify(stdout.slice(0, 80))}`, {
    hint: qemuRemedy(path),
  });
}
