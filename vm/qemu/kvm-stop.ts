/** Detects that QEMU has stopped its guest because KVM failed: QEMU writes that to its log and keeps running. */
import { setTimeout as sleep } from "node:timers/promises";
import { kvmStopLine, readLogLines } from "./qemu-log.js";

/** Interval of reading the log, in milliseconds: the end of a guest must be known within 2 s. */
const POLL_MS = 500;

/**
 * Waits for the line in QEMU's log until the process has ended. Never rejects.
 * @returns the line; undefined if QEMU ended without one
 */
export async function awaitKvmStop(logPath: string, ended: Promise<unknown>): Promise<string | undefined> {
  const done = new AbortController();
  void ended.then(() => done.abort());
  while (!done.signal.aborted) {
    const line = kvmStopLine(await readLogLines(logPath));
    if (line !== undefined) return line;
    await sleep(POLL_MS, undefined, { signal: done.signal, ref: false }).catch(() => undefined);
  }
  return undefined;
}
