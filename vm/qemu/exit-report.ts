/** Reports how a machine ended. */
import { readFile } from "node:fs/promises";
import type { Accelerator } from "../machine-spec.js";
import { VmError } from "../vm-error.js";
import { qemuRemedy } from "./find-qemu.js";
import { firstErrorLine, kvmErrorLine, kvmStopLine } from "./qemu-log.js";
import type { ProcessExit } from "./tethered-process.js";

/**
 * The event that ended the guest:
 * - `guest-shutdown`: the guest powered off
 * - `guest-reset`: the guest rebooted, or its CPU stopped (triple fault)
 * - `guest-panic`: the guest's kernel reported a panic through pvpanic
 * - `disk-error`: the host could not write a disk (usually because the host's disk is full), and QEMU stopped the guest
 * - `internal-error`: QEMU stopped the guest because it could not continue; under KVM usually because KVM failed
 */
export type GuestEnd = "guest-shutdown" | "guest-reset" | "guest-panic" | "disk-error" | "internal-error";

/** A failed write to a disk of the guest. */
export interface DiskError {
  /** Path of the disk's file. */
  readonly path: string;
  /** The message of the host's system. */
  readonly detail: string;
}

export interface ExitReport {
  /**
   * A GuestEnd; or `quit`: livelab stopped the machine; `killed`: a signal ended QEMU that livelab did not send;
   * `failed`: QEMU ended by itself.
   */
  readonly reason: GuestEnd | "quit" | "killed" | "failed";
  /** QEMU's exit status; null if a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The failed write, with reason `disk-error`. */
  readonly diskError?: DiskError | undefined;
  /** How KVM failed, in one line, if that ended the machine. */
  readonly kvmFailure?: string | undefined;
  /** The last lines of qemu.log, oldest first. */
  readonly logTail: readonly string[];
}

/** Describes an exit in one line, e.g. "the guest rebooted" or "QEMU was killed by SIGSEGV". */
export function describeExit({ reason, code, signal, diskError, kvmFailure, logTail }: ExitReport): string {
  switch (reason) {
    case "guest-shutdown":
      return "the guest powered off";
    case "guest-reset":
      return "the guest rebooted";
    case "guest-panic":
      return "the guest's kernel panicked";
    case "disk-error":
      if (diskError === undefined) return "the host could not write a disk of the guest";
      return `the host could not write the guest's disk ${diskError.path}: ${diskError.detail}`;
    case "internal-error":
      return `QEMU stopped the guest: ${kvmFailure ?? logTail[0] ?? "internal error"}`;
    case "quit":
      return "livelab stopped the machine";
    case "killed":
      return `QEMU was killed by ${signal}`;
    case "failed":
      return `QEMU ended by itself with status ${code}: ${logTail.at(-1) ?? "no output"}`;
    default:
      return reason satisfies never;
  }
}

/**
 * Finds how KVM failed under a machine that ended. A signal that livelab did not send counts as a failure of KVM. An exit
 * status and a reset of the guest also have other causes; they count only if QEMU's log names KVM.
 * @param logLines the result of readLogLines() @returns one line, or undefined if the end had another cause
 */
export function findKvmFailure(
  { reason, signal }: Pick<ExitReport, "reason" | "signal">,
  accelerator: Accelerator,
  logLines: readonly string[],
): string | undefined {
  if (accelerator !== "kvm") return undefined;
  switch (reason) {
    case "internal-error":
      return kvmStopLine(logLines) ?? kvmErrorLine(logLines) ?? "QEMU's run state is internal-error";
    case "killed":
      return kvmErrorLine(logLines) ?? firstErrorLine(logLines) ?? `${signal}`;
    case "failed":
    case "guest-reset":
      return kvmErrorLine(logLines);
    case "quit":
      return kvmStopLine(logLines);
    case "guest-shutdown":
    case "guest-panic":
    case "disk-error":
      return undefined;
    default:
      return reason satisfies never;
  }
}

/** The last lines of QEMU's log, without its notices about ptys. @param lines the maximum number */
export async function readLogTail(logPath: string, lines = 20): Promise<readonly string[]> {
  const text = await readFile(logPath, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("char device redirected to "))
    .slice(-lines);
}

/** Messages of a QEMU that cannot start, with the error for each. The first match counts. */
const startupFailures = [
  {
    pattern: /Could not access KVM|failed to initialize kvm|KVM_CREATE_VM/i,
    code: "KVM_UNUSABLE",
    hint: "run without --accel kvm, or check /dev/kvm with: livelab doctor",
  },
  { pattern: /romfile/i, code: "ROM_NOT_FOUND", hint: qemuRemedy() },
  {
    pattern: /Failed to create PTY/i,
    code: "PTY_UNAVAILABLE",
    hint: "check that devpts is mounted on /dev/pts, and compare kernel.pty.max with kernel.pty.nr (sysctl)",
  },
  { pattern: /Failed to get .* lock/, code: "EXITED_EARLY", hint: "another machine uses this disk: stop it first" },
] as const;

/**
 * The error for a QEMU that ended before its QMP session started.
 * @param accelerator the accelerator in QEMU's arguments. @default "tcg"
 */
export function startupFailure(
  exit: ProcessExit,
  logTail: readonly string[],
  logPath: string,
  accelerator: Accelerator = "tcg",
): VmError {
  const said = logTail.length > 0 ? logTail.join("\n") : "no output";
  const end = exit.signal === null ? `with status ${exit.code}` : `by ${exit.signal}`;
  const known = startupFailures.find(({ pattern }) => pattern.test(said));
  const byKvm = accelerator === "kvm" && (exit.signal !== null || kvmErrorLine(logTail) !== undefined);
  const code = known?.code ?? (byKvm ? "KVM_FAILED" : "EXITED_EARLY");
  return new VmError(code, `QEMU ended at its start ${end}: ${said}`, {
    hint: known?.hint ?? `read its command line in argv.txt, in the folder of ${logPath}`,
  });
}
