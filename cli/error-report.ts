/** Reports errors to the user on stderr and maps them to exit statuses. */
import { tmpdir } from "node:os";
import { firstError, laterErrors } from "../base/first-error.js";
import { LivelabError } from "../base/livelab-error.js";
import { OutputLost, READER_GONE_STATUS } from "../base/lost-output.js";
import { isDiskFullError } from "../base/no-room.js";
import { isRefusal, whyRefused } from "../base/refused-path.js";
import { explainSystemError } from "../base/system-error.js";
import { CommanderError } from "./commander.js";
import { exitStatus, INTERRUPTED_STATUS } from "./exit-status.js";

/**
 * Writes an error, followed by the errors of the clean-up.
 * @param signal aborted if the command was interrupted
 * @returns the exit status of the first error
 */
export function reportError(error: unknown, signal: AbortSignal): number {
  const status = reportFirst(firstError(error), signal);
  for (const later of laterErrors(error)) {
    writeLine(`clean-up failed, too: ${later instanceof Error ? later.message : String(later)}`);
  }
  return status;
}

/** Writes an error with its hint. Only defects of livelab have a stack. */
function reportFirst(first: unknown, signal: AbortSignal): number {
  if (first instanceof CommanderError) return first.exitCode === 0 ? 0 : exitStatus.usage; // commander has written it
  if (signal.reason instanceof OutputLost) return signal.reason.readerGone ? READER_GONE_STATUS : exitStatus.host;
  if (signal.aborted) {
    writeLine("interrupted");
    return INTERRUPTED_STATUS;
  }
  if (first instanceof Error && isDiskFullError(first)) {
    writeLine(`a disk is full: ${first.message}`);
    // The error of write(2) names no path.
    writeHint(`run livelab gc, or remove files that you do not need, in LIVELAB_HOME or the temp folder ${tmpdir()}`);
    return exitStatus.host;
  }
  if (isRefusal(first)) {
    writeLine(`cannot use ${first.path} (${first.syscall}): ${whyRefused(first.path, first)}`);
    writeHint("give this user access (chown, chmod), or name another folder: LIVELAB_HOME, TMPDIR, -o DIR");
    return exitStatus.host;
  }
  const trouble = explainSystemError(first);
  if (trouble !== undefined) {
    writeLine(trouble.message);
    writeHint(trouble.hint);
    return exitStatus.host;
  }
  if (first instanceof LivelabError && first.kind !== "internal") {
    writeLine(first.message);
    if (first.hint !== undefined) writeHint(first.hint);
    return exitStatus[first.kind];
  }
  writeLine(
    `internal error, a defect of livelab: ${first instanceof Error ? (first.stack ?? first.message) : String(first)}`,
  );
  return exitStatus.internal;
}

const writeLine = (text: string): void => {
  process.stderr.write(`livelab: ${text}\n`);
};
const writeHint = (text: string): void => writeLine(`try: ${text}`);
