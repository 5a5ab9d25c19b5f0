/**
 * Everything that can end a boot early, as one signal that every wait races:
 * the machine's end, a fatal message of the guest, and a file that the headnode does not have.
 * The signal is raised a moment after the first sign, because the second sign often gives the cause.
 */

import { kvmFailureOf } from "../../vm/accelerator/kvm-failure.js";
import { describeExit, type ExitReport } from "../../vm/qemu/exit-report.js";
import { VmError } from "../../vm/vm-error.js";
import { ExpectationFailed } from "../harness-error.js";
import type { FatalReason, FatalSign } from "./milestones.js";

/** Time for further signs after the first, in milliseconds; a failure must be reported within 2 s. */
const GATHER_MS = 1_000;

const fatalWords: Record<FatalReason, string> = {
  "kernel-panic": "the kernel panicked",
  "out-of-memory": "the guest ran out of memory",
  "live-boot-failed": "live-boot gave up",
  "wrong-squashfs": "the early boot refused the root file system",
  "initramfs-shell": "the guest stopped at the initramfs shell",
  "emergency-shell": "systemd went into emergency mode",
  "squashfs-error": "the root file system cannot be read",
  "ipxe-prompt": "iPXE gave up",
  "firmware-prompt": "the firmware found nothing to boot",
  restarted: "the kernel started a second time",
};

/**
 * Returns the error for a machine that ended by itself: a failure of QEMU or KVM is the host's, all others are the guest's.
 * @param signs signs that came before the end
 */
export function errorOfEnd(exit: ExitReport, signs: readonly string[] = []): ExpectationFailed | VmError {
  const ending = describeExit(exit);
  const byKvm = kvmFailureOf(exit);
  if (byKvm !== undefined) return byKvm;
  if (["failed", "killed", "disk-error", "internal-error"].includes(exit.reason)) {
    return new VmError("EXITED_EARLY", ending, { hint: "see qemu.log in the boot's folder" });
  }
  return new ExpectationFailed("CONSOLE_ENDED", [...signs, ending].join("; "));
}

export class BootTrouble implements Disposable {
  readonly #controller = new AbortController();
  readonly #signs: string[] = [];
  readonly #gatherMs: number;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param gatherMs milliseconds from the first sign to the signal. @default 1000 */
  constructor(gatherMs: number = GATHER_MS) {
    this.#gatherMs = gatherMs;
  }

  /** Aborted when the boot cannot continue; its reason is the error to throw. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Records that the headnode does not have a file that the CN needs. */
  refused(path: string): void {
    this.#add(`the headnode answered 404 to ${path}`);
  }

  /** Records a message of the guest that it cannot continue. */
  fatalSign({ reason, text }: FatalSign): void {
    this.#add(`${fatalWords[reason]} (${JSON.stringify(text)})`);
  }

  /** Ends the boot with an error of livelab or the host. */
  hostFailed(error: Error): void {
    this.#abort(error);
  }

  /** Ends the boot: the machine has exited, so no more signs come. */
  machineEnded(exit: ExitReport): void {
    this.#abort(errorOfEnd(exit, this.#signs));
  }

  /** Ignores everything from now on. */
  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #add(sign: string): void {
    if (!this.#signs.includes(sign)) this.#signs.push(sign);
    this.#timer ??= setTimeout(
      () => this.#abort(new ExpectationFailed("FATAL_SIGN", this.#signs.join("; "))),
      this.#gatherMs,
    );
  }

  #abort(error: Error): void {
    if (this.#closed || this.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#controller.abort(error);
  }
}
