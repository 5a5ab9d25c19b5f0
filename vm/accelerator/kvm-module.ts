/**
 * Finds the kernel module that implements KVM on this host. `kvm_intel` and `kvm_amd` use the processor's virtualisation and
 * run any kernel; other modules, such as `kvm_pvm`, run only kernels that were made for them.
 * Source: Linux Documentation/virt/kvm; a module, built in or loaded, has a folder in /sys/module.
 */
import { readdir, readFile } from "node:fs/promises";

const ORDINARY = ["kvm_intel", "kvm_amd"];

/**
 * Finds a module other than `kvm_intel` and `kvm_amd`.
 * @param sysModules folder with a folder for each module. @default "/sys/module"
 * @param procModules list of loaded modules, for hosts that hide the folder. @default "/proc/modules"
 * @returns its name, e.g. "kvm_pvm"; undefined if `kvm_intel` or `kvm_amd` exists, or if no module is visible
 */
export async function findForeignKvmModule(
  sysModules = "/sys/module",
  procModules = "/proc/modules",
): Promise<string | undefined> {
  const loaded = await readFile(procModules, "utf8").catch(() => "");
  const names = [
    ...(await readdir(sysModules).catch(() => [])),
    ...loaded.split("\n").map((line) => line.split(" ")[0] ?? ""),
  ];
  if (names.some((name) => ORDINARY.includes(name))) return undefined;
  return names.find((name) => /^kvm_[a-z0-9]+$/.test(name));
}
