/** How a machine came to its end. */
import { readFile } from "node:fs/promises";
import type { Accelerator } from "../machine-spec.js";
import { VmError } from "../vm-error.js";
import { QEMU_INSTALL_HINT } from "./find-qemu.js";
import { firstErrorLine, kvmErrorLine, kvmStopLine } from "./qemu-log.js";
import type { ProcessExit } from "./tethered-process.js";

/**
 * What the guest did, or what happened to it, that ends a machine:
 * - `guest-shutdown`: it powered off
 * - `guest-reset`: it rebooted, or its CPU gave up (triple fault)
 * - `guest-panic`: its kernel said through pvpanic that it panicked
 * - `disk-error`: the host could not write a disk (full, as a rule), and QEMU stopped the guest
 * - `internal-error`: QEMU stopped the guest because it could not run it on; under KVM, as a rule KVM failed
 */
export type GuestEnd = "guest-shutdown" | "guest-reset" | "guest-panic" | "disk-error" | "internal-error";

/** What the host could not do for a disk of the guest. */
export interface DiskError {
  /** The disk's file. */
  readonly path: string;
  /** In the words of the host's system. */
  readonly detail: string;
}

export interface ExitReport {
  /**
   * A GuestEnd; or `quit`: livelab stopped it; `killed`: a signal that livelab did not send;
   * `failed`: QEMU ended by itself.
   */
  readonly reason: GuestEnd | "quit" | "killed" | "failed";
  /** QEMU's exit status; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** With `disk-error`. */
  readonly diskError?: DiskError | undefined;
  /** How KVM failed, in one line, where the machine ended for that. */
  readonly kvmFailure?: string | undefined;
  /** The last lines of qemu.log, oldest first. */
  readonly logTail: readonly string[];
}

/** One line for people, e.g. "the guest rebooted" or "QEMU was killed by SIGSEGV". */
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
      return `QEMU stopped the guest: ${kvmFailure ?? logTail[0] ?? "it has an internal error"}`;
    case "quit":
      return "livelab stopped the machine";
    case "killed":
      return `QEMU was killed by ${signal}`;
    case "failed":
      return `QEMU ended by itself with status ${code}: ${logTail.at(-1) ?? "it said nothing"}`;
    default:
      return reason satisfies never;
  }
}

/**
 * How KVM failed, for a machine that ended under it. A signal that livelab did not send counts; a status, and a guest that
 * reset, only where QEMU itself names KVM, for both have other causes as well.
 * @param logLines of readLogLines() @returns one line, or undefined where the end had another cause
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

/** The last lines of QEMU's log, without its notices about ptys. @param lines at most so many */
export async function readLogTail(logPath: string, lines = 20): Promise<readonly string[]> {
  const text = await readFile(logPath, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("char device redirected to "))
    .slice(-lines);
}

/** What QEMU writes when it cannot start, and the error that it means. The first that matches is taken. */
const startupFailures = [
  {
    pattern: /Could not access KVM|failed to initialize kvm|KVM_CREATE_VM/i,
    code: "KVM_UNUSABLE",
    hint: "run without --accel kvm, or see what livelab doctor says of /dev/kvm",
  },
  { pattern: /romfile/i, code: "ROM_NOT_FOUND", hint: QEMU_INSTALL_HINT },
  {
    pattern: /Failed to create PTY/i,
    code: "PTY_UNAVAILABLE",
    hint: "see that devpts is mounted on /dev/pts, and sysctl kernel.pty.max and kernel.pty.nr",
  },
  { pattern: /Failed to get .* lock/, code: "EXITED_EARLY", hint: "another machine uses this disk: stop it first" },
] as const;

/**
 * The error for a QEMU that ended before it could be spoken to.
 * @param accelerator what it was to run the guest with. @default "tcg"
 */
export function startupFailure(
  exit: ProcessExit,
  logTail: readonly string[],
  logPath: string,
  accelerator: Accelerator = "tcg",
): VmError {
  const said = logTail.length > 0 ? logTail.join("\n") : "it said nothing";
  const end = exit.signal === null ? `with status ${exit.code}` : `by ${exit.signal}`;
  const known = startupFailures.find(({ pattern }) => pattern.test(said));
  const byKvm = accelerator === "kvm" && (exit.signal !== null || kvmErrorLine(logTail) !== undefined);
  const code = known?.code ?? (byKvm ? "KVM_FAILED" : "EXITED_EARLY");
  return new VmError(code, `QEMU ended at its start ${end}: ${said}`, {
    hint: known?.hint ?? `its command line is beside ${logPath}, in argv.txt`,
  });
}
