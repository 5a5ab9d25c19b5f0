/** Opens what a boot keeps of itself as it runs: console, transcript, capture. */
import { openSync } from "node:fs";
import { HarnessError } from "./harness-error.js";

/** @param path a file of before is replaced @returns its descriptor @throws HarnessError LOG_NOT_WRITABLE */
export function openLog(path: string): number {
  try {
    return openSync(path, "w");
  } catch (cause) {
    throw new HarnessError("LOG_NOT_WRITABLE", `cannot write the log ${path}: ${(cause as Error).message}`, {
      hint: "name a folder that can be written to with --report",
      cause,
    });
  }
}
