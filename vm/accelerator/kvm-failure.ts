/** A guest that ran under KVM and was ended by KVM's failure: the host's matter, not the guest's. */
import { describeExit, type ExitReport } from "../qemu/exit-report.js";
import { VmError } from "../vm-error.js";

/** What to try after it. */
const KVM_FAILED_HINT =
  "run it again: KVM is probed anew first; --accel tcg emulates and needs no KVM. QEMU's own words are in qemu.log";

/** @returns undefined for a machine that ended in another way */
export function kvmFailureOf(exit: ExitReport): VmError | undefined {
  if (exit.kvmFailure === undefined) return undefined;
  const ending = describeExit(exit);
  const words = ending.includes(exit.kvmFailure) ? ending : `${ending}: ${exit.kvmFailure}`;
  return new VmError("KVM_FAILED", `KVM failed while the guest ran: ${words}`, { hint: KVM_FAILED_HINT });
}

/** Whether an error says that KVM did not run a guest, so that a verdict in its favour no longer holds. */
export const isKvmFailure = (error: unknown): error is VmError =>
  error instanceof VmError && (error.code === "KVM_FAILED" || error.code === "KVM_UNUSABLE");
