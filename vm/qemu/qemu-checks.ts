/** What this host has for running machines, for `livelab doctor`. */

import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { findProgram } from "../../base/find-program.js";
import type { HostCheck } from "../../base/host-check.js";
import { isThere } from "../../base/is-there.js";
import { LivelabError } from "../../base/livelab-error.js";
import { type AcceleratorWish, decideAccelerator } from "../accelerator/accelerator.js";
import { VmError } from "../vm-error.js";
import { findQemu, printedByQemu, QEMU_INSTALL_HINT, readQemuVersion } from "./find-qemu.js";
import { findUefi, UEFI_INSTALL_HINT } from "./find-uefi.js";

const QEMU = "qemu-system-x86_64";

/** The ROM that QEMU runs for a virtio-net-pci NIC: its BIOS part is what BIOS machines boot with. */
const NIC_ROM = "efi-virtio.rom";

/** @param wish as for decideAccelerator, whose verdict is one of the checks */
export async function checkQemuHost(wish: Omit<AcceleratorWish, "want">): Promise<readonly HostCheck[]> {
  const others = [await checkUefi(), await checkSetpriv(), await checkPtys()];
  let qemu: string;
  let version: string;
  try {
    qemu = await findQemu();
    version = await readQemuVersion(qemu);
  } catch (error) {
    return [failed(QEMU, error), ...others];
  }
  const { kvm, qemuError } = await checkKvm(wish);
  const found: HostCheck = { name: QEMU, state: "ok", detail: `${version} at ${qemu}` };
  return [qemuError === undefined ? found : failed(QEMU, qemuError), await checkNicRom(qemu), ...others, kvm];
}

async function checkNicRom(qemu: string): Promise<HostCheck> {
  const name = "iPXE ROM";
  const printed = await printedByQemu(qemu, ["-L", "help"]).catch((error: Error) => error);
  if (printed instanceof Error) return failed(name, printed);
  const folders = printed.split("\n").filter((line) => line !== "");
  for (const folder of folders) {
    const path = join(folder, NIC_ROM);
    if (await isThere(path)) return { name, state: "ok", detail: path };
  }
  return {
    name,
    state: "missing",
    detail: `${NIC_ROM} is in none of ${folders.join(", ")}`,
    remedy: QEMU_INSTALL_HINT,
  };
}

async function checkUefi(): Promise<HostCheck> {
  const name = "UEFI (OVMF)";
  const found = await findUefi().catch(() => undefined);
  if (found !== undefined) return { name, state: "ok", detail: found.codePath };
  return { name, state: "warning", detail: "not found: CNs boot with BIOS only", remedy: UEFI_INSTALL_HINT };
}

async function checkSetpriv(): Promise<HostCheck> {
  const name = "setpriv";
  const path = await findProgram(name);
  if (path !== undefined) return { name, state: "ok", detail: path };
  return { name, state: "missing", detail: "not in the PATH", remedy: "install util-linux" };
}

async function checkPtys(): Promise<HostCheck> {
  const name = "pseudo terminals";
  try {
    await (await open("/dev/ptmx", "r+")).close();
    await stat("/dev/pts");
    return { name, state: "ok", detail: "/dev/ptmx and /dev/pts" };
  } catch (error) {
    return failed(name, error, "mount -t devpts devpts /dev/pts");
  }
}

/** KVM is optional. A QEMU that runs no machine says nothing of it: that is the other check's matter. */
async function checkKvm(
  wish: Omit<AcceleratorWish, "want">,
): Promise<{ readonly kvm: HostCheck; readonly qemuError?: VmError }> {
  const name = "KVM";
  try {
    const { accelerator, reason, remedy, timeScale } = await decideAccelerator({ ...wish, want: "auto" });
    if (accelerator === "kvm") return { kvm: { name, state: "ok", detail: reason } };
    const detail = `${reason}; guests may take ${timeScale} times longer`;
    return { kvm: { name, state: "optional", detail, ...(remedy !== undefined && { remedy }) } };
  } catch (error) {
    wish.signal.throwIfAborted();
    if (!(error instanceof VmError && error.code === "QEMU_BROKEN")) return { kvm: failed(name, error) };
    return { kvm: { name, state: "optional", detail: "not tried: QEMU runs no machine" }, qemuError: error };
  }
}

function failed(name: string, error: unknown, remedy?: string): HostCheck {
  const [detail = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  const mend = remedy ?? (error instanceof LivelabError ? error.hint : undefined);
  return { name, state: "missing", detail, ...(mend !== undefined && { remedy: mend }) };
}
