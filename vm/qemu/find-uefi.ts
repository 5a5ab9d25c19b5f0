/** OVMF, UEFI for QEMU, on this host: where distributions put it, or how to install it. */
import { isThere } from "../../base/is-there.js";
import type { FirmwareSpec } from "../machine-spec.js";
import { VmError } from "../vm-error.js";

export type UefiFirmware = Extract<FirmwareSpec, { kind: "uefi" }>;

/** Program and variables that belong together, without Secure Boot, in raw format; those of 4 MB first, as others are phased out. */
const pairs: readonly (readonly [code: string, vars: string])[] = [
  ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"], // Debian, Ubuntu
  ["/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"], // Arch
  ["/usr/share/qemu/ovmf-x86_64-4m-code.bin", "/usr/share/qemu/ovmf-x86_64-4m-vars.bin"], // openSUSE
  ["/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"], // Fedora
  ["/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"], // Alpine, older Debian
];

/** How OVMF is installed, for each of the families of distributions. */
export const UEFI_INSTALL_HINT = [
  "apt-get install ovmf (Debian, Ubuntu)",
  "dnf install edk2-ovmf (Fedora)",
  "pacman -S edk2-ovmf (Arch)",
  "zypper install qemu-ovmf-x86_64 (openSUSE)",
  "apk add ovmf (Alpine)",
].join("; ");

/** @param candidates pairs of program and variables, the first that is whole is taken @throws VmError UEFI_NOT_FOUND */
export async function findUefi(candidates = pairs): Promise<UefiFirmware> {
  for (const [codePath, varsTemplatePath] of candidates) {
    if ((await isThere(codePath)) && (await isThere(varsTemplatePath))) {
      return { kind: "uefi", codePath, varsTemplatePath };
    }
  }
  throw new VmError(
    "UEFI_NOT_FOUND",
    `UEFI for QEMU (OVMF) is not installed: looked for ${candidates.map(([code]) => code).join(", ")}`,
    {
      hint: UEFI_INSTALL_HINT,
    },
  );
}
