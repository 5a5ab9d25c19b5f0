/** The folder for the report of a boot or a test run. */
import { writeFile } from "node:fs/promises";
import { makeWritableFolder } from "../../base/writable-folder.js";
import { HarnessError } from "../harness-error.js";

/** Makes the folder if it is missing. @throws HarnessError LOG_NOT_WRITABLE */
export async function makeReportFolder(path: string): Promise<void> {
  try {
    await makeWritableFolder(path);
  } catch (cause) {
    throw new HarnessError(
      "LOG_NOT_WRITABLE",
      `the report folder ${path} cannot be written: ${(cause as Error).message}`,
      {
        cause,
        hint: "name a writable folder with --report",
      },
    );
  }
}

/** Writes one file of the report. @throws HarnessError LOG_NOT_WRITABLE */
export async function writeReportFile(path: string, text: string): Promise<void> {
  await writeFile(path, text).catch((cause: Error) => {
    throw new HarnessError("LOG_NOT_WRITABLE", `the report ${path} cannot be written: ${cause.message}`, {
      cause,
      hint: "free some space there, or name another folder with --report",
    });
  });
}
