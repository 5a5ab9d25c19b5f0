/** Finds OVMF, the UEFI firmware for QEMU: among livelab's tools, or at the paths of several distributions. */
import { isThere } from "../../base/is-there.js";
import { findToolFile } from "../../base/tools.js";
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

/** The pair of livelab's own tools, below their prefix. */
const ownPair = ["share/OVMF/OVMF_CODE_4M.fd", "share/OVMF/OVMF_VARS_4M.fd"] as const;

/** What the user can do about missing firmware. */
export const UEFI_REMEDY = "unset LIVELAB_TOOLS, because livelab's own tools have OVMF; or install the package ovmf";

/** Finds the firmware of livelab's tools, else that of the host. @param candidates pairs of the host @throws VmError UEFI_NOT_FOUND */
export async function findUefi(candidates = pairs): Promise<UefiFirmware> {
  const [code, vars] = await Promise.all(ownPair.map(findToolFile));
  if (code !== undefined && vars !== undefined) return { kind: "uefi", codePath: code, varsTemplatePath: vars };
  for (const [codePath, varsTemplatePath] of candidates) {
    if ((await isThere(codePath)) && (await isThere(varsTemplatePath))) {
      return { kind: "uefi", codePath, varsTemplatePath };
    }
  }
  throw new VmError(
    "UEFI_NOT_FOUND",
    `UEFI for QEMU (OVMF) is not installed: looked for ${candidates.map(([code]) => code).join(", ")}`,
    {
      hint: UEFI_REMEDY,
    },
  );
}
