/** Writes the files of a test report: report.json for programs, junit.xml for CI, index.html for people. */
import { join } from "node:path";
import { writeReportFile } from "../boot/report-folder.js";
import type { TestReport } from "../scenarios/scenario-run.js";
import { formatScenarioHtml } from "./html-report.js";
import { formatJunit } from "./junit-report.js";

/** @param folder an existing folder @throws HarnessError LOG_NOT_WRITABLE */
export async function writeTestReport(report: TestReport, folder: string): Promise<void> {
  await writeReportFile(join(folder, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  await writeReportFile(join(folder, "junit.xml"), formatJunit(report));
  await writeReportFile(join(folder, "index.html"), formatScenarioHtml(report, folder));
}
