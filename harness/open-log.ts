/** Opens the files that a boot writes while it runs: console, transcript, capture. */
import { openSync } from "node:fs";
import { HarnessError } from "./harness-error.js";

/** @param path an existing file is replaced @returns the file descriptor @throws HarnessError LOG_NOT_WRITABLE */
export function openLog(path: string): number {
  try {
    return openSync(path, "w");
  } catch (cause) {
    throw new HarnessError("LOG_NOT_WRITABLE", `cannot write the log ${path}: ${(cause as Error).message}`, {
      hint: "pass a writable folder with --report",
      cause,
    });
  }
}
