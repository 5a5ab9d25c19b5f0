/** Checks what machines need on this host, including KVM, for `livelab doctor`. */
import { failedCheck, type HostCheck } from "../../base/host-check.js";
import { checkQemu } from "../qemu/qemu-checks.js";
import { type AcceleratorRequest, decideAccelerator } from "./accelerator.js";

/** Runs all checks. @param request as for decideAccelerator(), whose verdict is one of the checks */
export async function checkMachines(request: Omit<AcceleratorRequest, "preference">): Promise<readonly HostCheck[]> {
  const { qemu, others } = await checkQemu();
  if (qemu.state !== "ok") return [qemu, ...others];
  const { kvm, error } = await checkKvm(request);
  const isExplained = error === undefined || others.some(({ state }) => state === "missing");
  return [isExplained ? qemu : failedCheck(qemu.name, error), ...others, kvm];
}

/** Checks KVM, which is optional. @returns also the error if no machine runs at all, which another check explains */
async function checkKvm(
  request: Omit<AcceleratorRequest, "preference">,
): Promise<{ readonly kvm: HostCheck; readonly error?: unknown }> {
  const name = "KVM";
  try {
    const { accelerator, reason, remedy, timeScale } = await decideAccelerator({ ...request, preference: "auto" });
    if (accelerator === "kvm") return { kvm: { name, state: "ok", detail: reason } };
    const detail = `${reason}; guests may take ${timeScale} times longer`;
    return { kvm: { name, state: "optional", detail, ...(remedy !== undefined && { remedy }) } };
  } catch (error) {
    request.signal.throwIfAborted();
    return { kvm: { name, state: "optional", detail: "not tested: no machine runs on this host" }, error };
  }
}
