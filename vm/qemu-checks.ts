/** What this host has for running machines, for `livelab doctor`. */

import { execFile } from "node:child_process";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type AcceleratorWish, decideAccelerator } from "./accelerator.js";
import { findProgram } from "./find-program.js";
import { findQemu, QEMU_INSTALL_HINT, readQemuVersion } from "./find-qemu.js";
import { findUefi, UEFI_INSTALL_HINT } from "./find-uefi.js";
import type { HostCheck } from "./host-check.js";
import { isThere } from "./is-there.js";
import { LivelabError } from "./livelab-error.js";

const run = promisify(execFile);

/** The ROM that QEMU runs for a virtio-net-pci NIC: its BIOS part is what BIOS machines boot with. */
const NIC_ROM = "efi-virtio.rom";

/** @param wish as for decideAccelerator, whose verdict is one of the checks */
export async function checkQemuHost(wish: Omit<AcceleratorWish, "want">): Promise<readonly HostCheck[]> {
  const qemu = await findQemu().catch(() => undefined);
  if (qemu === undefined) {
    return [
      { name: "qemu-system-x86_64", state: "missing", detail: "not in the PATH", remedy: QEMU_INSTALL_HINT },
      await checkSetpriv(),
      await checkPtys(),
    ];
  }
  return [
    await checkQemu(qemu),
    await checkNicRom(qemu),
    await checkUefi(),
    await checkSetpriv(),
    await checkPtys(),
    await checkKvm(wish),
  ];
}

async function checkQemu(qemu: string): Promise<HostCheck> {
  const name = "qemu-system-x86_64";
  try {
    return { name, state: "ok", detail: `${await readQemuVersion(qemu)} at ${qemu}` };
  } catch (error) {
    return failed(name, error, QEMU_INSTALL_HINT);
  }
}

async function checkNicRom(qemu: string): Promise<HostCheck> {
  const name = "iPXE ROM";
  const { stdout } = await run(qemu, ["-L", "help"], { timeout: 10_000 });
  const folders = stdout.split("\n").filter((line) => line !== "");
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

async function checkKvm(wish: Omit<AcceleratorWish, "want">): Promise<HostCheck> {
  const name = "KVM";
  try {
    const { accelerator, reason, remedy, timeScale } = await decideAccelerator({ ...wish, want: "auto" });
    if (accelerator === "kvm") return { name, state: "ok", detail: reason };
    const detail = `${reason}; guests may take ${timeScale} times longer`;
    return { name, state: "warning", detail, ...(remedy !== undefined && { remedy }) };
  } catch (error) {
    return failed(name, error);
  }
}

function failed(name: string, error: unknown, remedy?: string): HostCheck {
  const detail = error instanceof Error ? error.message : String(error);
  const mend = remedy ?? (error instanceof LivelabError ? error.hint : undefined);
  return { name, state: "missing", detail, ...(mend !== undefined && { remedy: mend }) };
}
