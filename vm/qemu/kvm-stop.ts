/** Notices that QEMU has stopped its guest because KVM failed: it says so in its log, and runs on itself. */
import { setTimeout as sleep } from "node:timers/promises";
import { kvmStopLine, readLogLines } from "./qemu-log.js";

/** Between two looks at the log, in milliseconds: the end of a guest is to be known within 2 s. */
const POLL_MS = 500;

/**
 * Waits for the line in QEMU's log, until the process has ended.
 * @returns the line; undefined when QEMU ended without one. Never rejects.
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
