/** Checks the programs and files that QEMU needs on this host, for `livelab doctor`. */

import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { findProgram } from "../../base/find-program.js";
import { failedCheck, type HostCheck } from "../../base/host-check.js";
import { isThere } from "../../base/is-there.js";
import { TOOLS_REMEDY } from "../../base/tools.js";
import { describeQemu, findQemu, printedByQemu, qemuRemedy, readQemuVersion } from "./find-qemu.js";
import { findUefi, UEFI_REMEDY } from "./find-uefi.js";

const QEMU = "qemu-system-x86_64";

/** The ROM that QEMU runs for a virtio-net-pci NIC. BIOS machines boot with its BIOS part. */
const NIC_ROM = "efi-virtio.rom";

export interface QemuChecks {
  readonly qemu: HostCheck;
  /** The checks of the other things that QEMU and livelab need. */
  readonly others: readonly HostCheck[];
}

/** Checks QEMU and the things that it needs, without starting a machine; accelerator/kvm-check.ts starts one. */
export async function checkQemu(): Promise<QemuChecks> {
  const others = [await checkUefi(), await checkSetpriv(), await checkPtys()];
  try {
    const path = await findQemu();
    const version = await readQemuVersion(path);
    const qemu: HostCheck = { name: QEMU, state: "ok", detail: describeQemu(version, path) };
    return { qemu, others: [await checkNicRom(path), ...others] };
  } catch (error) {
    return { qemu: failedCheck(QEMU, error), others };
  }
}

async function checkNicRom(qemu: string): Promise<HostCheck> {
  const name = "iPXE ROM";
  const printed = await printedByQemu(qemu, ["-L", "help"]).catch((error: Error) => error);
  if (printed instanceof Error) return failedCheck(name, printed);
  const folders = printed.split("\n").filter((line) => line !== "");
  for (const folder of folders) {
    const path = join(folder, NIC_ROM);
    if (await isThere(path)) return { name, state: "ok", detail: path };
  }
  return {
    name,
    state: "missing",
    detail: `${NIC_ROM} not found in ${folders.join(", ")}`,
    remedy: qemuRemedy(),
  };
}

async function checkUefi(): Promise<HostCheck> {
  const name = "UEFI (OVMF)";
  const found = await findUefi().catch(() => undefined);
  if (found !== undefined) return { name, state: "ok", detail: found.codePath };
  return { name, state: "warning", detail: "not found: CNs can boot only with BIOS", remedy: UEFI_REMEDY };
}

async function checkSetpriv(): Promise<HostCheck> {
  const name = "setpriv";
  const path = await findProgram(name);
  if (path !== undefined) return { name, state: "ok", detail: path };
  return { name, state: "missing", detail: "not in the PATH", remedy: TOOLS_REMEDY };
}

async function checkPtys(): Promise<HostCheck> {
  const name = "pseudo terminals";
  try {
    await (await open("/dev/ptmx", "r+")).close();
    await stat("/dev/pts");
    return { name, state: "ok", detail: "/dev/ptmx and /dev/pts" };
  } catch (error) {
    return failedCheck(name, error, "mount -t devpts devpts /dev/pts");
  }
}
