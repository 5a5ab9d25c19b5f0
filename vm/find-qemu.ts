/** QEMU on this host: where it is, or how to install it. */
import { findProgram } from "./find-program.js";
import { VmError } from "./vm-error.js";

/** The program that runs machines. */
export const QEMU_PROGRAM = "qemu-system-x86_64";

/** How QEMU and its iPXE ROMs are installed, for each of the families of distributions. */
export const QEMU_INSTALL_HINT = [
  "apt-get install qemu-system-x86 ipxe-qemu (Debian, Ubuntu)",
  "dnf install qemu-system-x86-core ipxe-roms-qemu (Fedora)",
  "pacman -S qemu-system-x86 (Arch)",
  "zypper install qemu-x86 qemu-ipxe (openSUSE)",
  "apk add qemu-system-x86_64 (Alpine)",
].join("; ");

/** @throws VmError QEMU_NOT_FOUND */
export async function findQemu(program: string = QEMU_PROGRAM): Promise<string> {
  const path = await findProgram(program);
  if (path !== undefined) return path;
  throw new VmError("QEMU_NOT_FOUND", `${program} is not in the PATH`, { hint: QEMU_INSTALL_HINT });
}
