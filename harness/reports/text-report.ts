/** Formats a test report for a terminal: milestone tables, claims that do not hold, then a line per scenario and a count. */
import { formatDuration } from "../../base/format.js";
import { formatBootReport } from "../boot/boot-report.js";
import { isBrokenByHost } from "../scenarios/broken-by-host.js";
import { describeScenarioResult, type TestReport } from "../scenarios/scenario-run.js";
import { formatWayTable, wayTable } from "./way-table.js";

export function formatTestReport(report: TestReport): string {
  const lines: string[] = [];
  for (const { name, boots } of report.scenarios) {
    for (const boot of boots) {
      lines.push(`== ${name}, boot ${boot.name}`);
      lines.push(boot.report === undefined ? "this boot has no report" : formatBootReport(boot.report, boot.folder));
      const unproven = boot.claims.filter(({ outcome }) => outcome !== "passed");
      lines.push(`${boot.claims.length - unproven.length} of ${boot.claims.length} claims hold`);
      for (const { title, outcome, message } of unproven) lines.push(`  ${outcome}: ${title}: ${message}`);
      lines.push("");
    }
  }
  const table = wayTable(report.scenarios.flatMap(({ boots }) => boots));
  if (table !== undefined) lines.push(formatWayTable(table), "");
  lines.push(...report.scenarios.map(describeScenarioResult));
  const broken = report.scenarios.flatMap(({ boots }) => boots).filter(isBrokenByHost).length;
  if (broken > 0) lines.push(`broken by the host, not by the image: ${broken} ${broken === 1 ? "boot" : "boots"}`);
  lines.push(`${report.passed} claims passed, ${report.failed} failed in ${formatDuration(report.durationMs)}`);
  return lines.join("\n");
}
