/**
 * What QEMU's log says of a failure, in one line.
 * Source: QEMU util/error-report.c ("PROGRAM: [OPTION: ][warning: |info: ]TEXT"); accel/kvm/kvm-all.c and target/i386/kvm/kvm.c,
 * whose reports of a failed KVM bear no program's name.
 */
import { open } from "node:fs/promises";

/** Of a longer log, so many bytes of the beginning and as many of the end are read: a register dump may follow an error. */
const LOG_END_BYTES = 64 * 1024;
/** Longest line that is quoted, in characters. */
const LONGEST_LINE = 200;
/** What does not tell of an error, in a line without the program's name; the option at fault comes first, e.g. "-accel kvm: ". */
const NOTICE = /^(?:char device redirected to |(?:-\S.*?: )?(?:warning|info): )/;
const PROGRAM_NAME = /^(?:\S*\/)?(?:qemu[\w.+-]*|kvm): /;

/** What QEMU writes when KVM has failed under a guest that ran; it then stops the guest, and runs on itself. */
const KVM_STOPPED = /KVM internal error|KVM: (?:entry failed|unknown exit|exception \d+ exit)|KVM[_ ]RUN failed/i;

/** As a word or as the beginning of one, e.g. KVM_CREATE_VM; not as a folder in a path. */
const NAMES_KVM = /(?:^|[\s(:])kvm(?:[\s:_)]|$)/i;

/** The lines of QEMU's log, oldest first; none when the file cannot be read. A long log lacks its middle. */
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

/** The first line that reports an error, without the program's name; undefined when no line does. */
export const firstErrorLine = (lines: readonly string[]): string | undefined => errorLines(lines)[0];

/** The first error that names KVM, or a function of it. */
export const kvmErrorLine = (lines: readonly string[]): string | undefined =>
  errorLines(lines).find((line) => NAMES_KVM.test(line));

/** The line with which QEMU says that it has stopped its guest because KVM failed. */
export const kvmStopLine = (lines: readonly string[]): string | undefined =>
  errorLines(lines).find((line) => KVM_STOPPED.test(line));

const errorLines = (lines: readonly string[]): readonly string[] =>
  lines.map(toOneLine).filter((line) => line !== "" && !NOTICE.test(line));

/** Without the program's name and without what a terminal would act upon. */
const toOneLine = (text: string): string =>
  text
    .replace(/[^\P{Cc}\t]/gu, "")
    .trim()
    .replace(PROGRAM_NAME, "")
    .slice(0, LONGEST_LINE);
