/** The folder that a boot or a test run leaves its report in. */
import { makeWritableFolder } from "../vm/writable-folder.js";
import { HarnessError } from "./harness-error.js";

/** Makes it where it is missing. @throws HarnessError LOG_NOT_WRITABLE */
export async function makeReportFolder(path: string): Promise<void> {
  try {
    await makeWritableFolder(path);
  } catch (cause) {
    throw new HarnessError(
      "LOG_NOT_WRITABLE",
      `the report folder ${path} cannot be written: ${(cause as Error).message}`,
      {
        cause,
        hint: "name a folder that can be written to with --report",
      },
    );
  }
}
