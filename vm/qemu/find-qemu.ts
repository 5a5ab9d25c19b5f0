/** Finds QEMU on this host, and its version. */
import { findProgram } from "../../base/find-program.js";
import { type ProgramError, runProgram } from "../../base/run-program.js";
import { VmError } from "../vm-error.js";
import { firstErrorLine } from "./qemu-log.js";

/** The program that runs machines. */
const QEMU_PROGRAM = "qemu-system-x86_64";

/** The commands that install QEMU and its iPXE ROMs, for each family of distributions. */
export const QEMU_INSTALL_HINT = [
  "apt-get install qemu-system-x86 ipxe-qemu (Debian, Ubuntu)",
  "dnf install qemu-system-x86-core ipxe-roms-qemu (Fedora)",
  "pacman -S qemu-system-x86 (Arch)",
  "zypper install qemu-x86 qemu-ipxe (openSUSE)",
  "apk add qemu-system-x86_64 (Alpine)",
].join("; ");

/** Finds QEMU in the PATH. @throws VmError QEMU_NOT_FOUND */
export async function findQemu(program: string = QEMU_PROGRAM): Promise<string> {
  const path = await findProgram(program);
  if (path !== undefined) return path;
  throw new VmError("QEMU_NOT_FOUND", `${program} is not in the PATH`, { hint: QEMU_INSTALL_HINT });
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
      hint: QEMU_INSTALL_HINT,
      cause,
    });
  }
}

/** Describes the failure in one line: QEMU's first error, or how it ended. */
const describeRunFailure = ({ how, stderr, timedOut }: ProgramError): string =>
  (timedOut ? undefined : firstErrorLine(stderr.split("\n"))) ?? `it ${how}`;

/** Reads QEMU's version, e.g. "7.2.22". @throws VmError QEMU_NOT_FOUND if the program does not run or is not QEMU */
export async function readQemuVersion(path: string): Promise<string> {
  const stdout = await printedByQemu(path, ["--version"]);
  const version = /^QEMU emulator version (\d+(\.\d+)*)/m.exec(stdout)?.[1];
  if (version !== undefined) return version;
  throw new VmError("QEMU_NOT_FOUND", `${path} is not QEMU: it prints ${JSON.stringify(stdout.slice(0, 80))}`, {
    hint: QEMU_INSTALL_HINT,
  });
}
