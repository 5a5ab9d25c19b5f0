/** Finds OVMF, the UEFI firmware for QEMU, at the paths of several distributions. */
import { isThere } from "../../base/is-there.js";
import type { FirmwareSpec } from "../machine-spec.js";
import { VmError } from "../vm-error.js";

export type UefiFirmware = Extract<FirmwareSpec, { kind: "uefi" }>;

/** Matching files of code and variables, raw and without Secure Boot. The 4 MB files come first; the others are phased out. */
const pairs: readonly (readonly [code: string, vars: string])[] = [
  ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"], // Debian, Ubuntu
  ["/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"], // Arch
  ["/usr/share/qemu/ovmf-x86_64-4m-code.bin", "/usr/share/qemu/ovmf-x86_64-4m-vars.bin"], // openSUSE
  ["/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"], // Fedora
  ["/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"], // Alpine, older Debian
];

/** The commands that install OVMF, for each family of distributions. */
export const UEFI_INSTALL_HINT = [
  "apt-get install ovmf (Debian, Ubuntu)",
  "dnf install edk2-ovmf (Fedora)",
  "pacman -S edk2-ovmf (Arch)",
  "zypper install qemu-ovmf-x86_64 (openSUSE)",
  "apk add ovmf (Alpine)",
].join("; ");

/** Finds the first pair whose files both exist. @param candidates pairs of code and variables @throws VmError UEFI_NOT_FOUND */
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
