/**
 * Finds the cause of a failure in QEMU's log, as one line.
 * Source: QEMU util/error-report.c ("PROGRAM: [OPTION: ][warning: |info: ]TEXT"); accel/kvm/kvm-all.c and
 * target/i386/kvm/kvm.c, whose messages about a failed KVM contain no program name.
 */
import { open } from "node:fs/promises";

/** Bytes that are read from each end of a long log. The beginning counts as well: a register dump may follow an error. */
const LOG_END_BYTES = 64 * 1024;
/** Length of a quoted line, in characters; longer lines are cut. */
const LONGEST_LINE = 200;
/** A line that is not an error, without the program's name. An option may come first, e.g. "-accel kvm: ". */
const NOTICE = /^(?:char device redirected to |(?:-\S.*?: )?(?:warning|info): )/;
const PROGRAM_NAME = /^(?:\S*\/)?(?:qemu[\w.+-]*|kvm): /;

/** QEMU's messages when KVM has failed under a running guest. QEMU then stops the guest and keeps running. */
const KVM_STOPPED = /KVM internal error|KVM: (?:entry failed|unknown exit|exception \d+ exit)|KVM[_ ]RUN failed/i;

/** "kvm" as a word or as the beginning of one, e.g. KVM_CREATE_VM; not as a folder in a path. */
const NAMES_KVM = /(?:^|[\s(:])kvm(?:[\s:_)]|$)/i;

/** The lines of QEMU's log, oldest first; empty if the file cannot be read. The middle of a long log is left out. */
export async function readLogLines(logPath: string): Promise<readonly string[]> {
  try {
    await using file = await open(logPath);
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LOG_END_BYTES), 0, LOG_END_BYTES, 0);
    const begin = buffer.toString("utf8", 0, bytesRead);
    if (size <= LOG_END_BYTES) return begin.split("\n");
    const from = Math.max(LOG_END_BYTES, size - LOG_END_BYTES);
    const end = await file.read(Buffer.alloc(LOG_END_BYTES), 0, LOG_END_BYTES, from);
    return `${begin}\n${end.buffer.toString("utf8", 0, end.bytesRead)}`.split("\n");
  } catch {
    return [];
  }
}

/** The first line that reports an error, without the program's name; undefined if no line does. */
export const firstErrorLine = (lines: readonly string[]): string | undefined => errorLines(lines)[0];

/** The first error that names KVM or one of its functions. */
export const kvmErrorLine = (lines: readonly string[]): string | undefined =>
  errorLines(lines).find((line) => NAMES_KVM.test(line));

/** The line that says that QEMU has stopped its guest because KVM failed. */
export const kvmStopLine = (lines: readonly string[]): string | undefined =>
  errorLines(lines).find((line) => KVM_STOPPED.test(line));

const errorLines = (lines: readonly string[]): readonly string[] =>
  lines.map(toOneLine).filter((line) => line !== "" && !NOTICE.test(line));

/** Removes the program's name and control characters, and cuts the line. */
const toOneLine = (text: string): string =>
  text
    .replace(/[^\P{Cc}\t]/gu, "")
    .trim()
    .replace(PROGRAM_NAME, "")
    .slice(0, LONGEST_LINE);
