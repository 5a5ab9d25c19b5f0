/** The folder that a boot or a test run leaves its report in. */
import { mkdir } from "node:fs/promises";
import { HarnessError } from "./harness-error.js";

/** Makes it where it is missing. @throws HarnessError LOG_NOT_WRITABLE */
export async function makeReportFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (cause) {
    throw new HarnessError("LOG_NOT_WRITABLE", `cannot make the report folder ${path}: ${(cause as Error).message}`, {
      cause,
      hint: "name a folder that can be written to with --report",
    });
  }
}
