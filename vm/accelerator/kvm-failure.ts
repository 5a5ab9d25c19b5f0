/** Errors for a guest that KVM's failure ended: a fault of the host, not of the guest. */
import { describeExit, type ExitReport } from "../qemu/exit-report.js";
import { VmError } from "../vm-error.js";

/** The next step for the user. */
const KVM_FAILED_HINT =
  "read QEMU's messages in qemu.log, then run the command again, which probes KVM first; --accel tcg works without KVM";

/** The error for a machine that KVM's failure ended; undefined if it ended for another reason. */
export function kvmFailureOf(exit: ExitReport): VmError | undefined {
  if (exit.kvmFailure === undefined) return undefined;
  const ending = describeExit(exit);
  const words = ending.includes(exit.kvmFailure) ? ending : `${ending}: ${exit.kvmFailure}`;
  return new VmError("KVM_FAILED", `KVM failed while the guest ran: ${words}`, { hint: KVM_FAILED_HINT });
}

/** Whether an error means that KVM did not run a guest, so that a stored verdict for KVM is no longer valid. */
export const isKvmFailure = (error: unknown): error is VmError =>
  error instanceof VmError && (error.code === "KVM_FAILED" || error.code === "KVM_UNUSABLE");
