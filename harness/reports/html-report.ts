/** Formats a test report as one HTML page without external resources. */
import { relative } from "node:path";
import { formatDuration } from "../../base/format.js";
import { type BootReport, describeOutcome, describeState, type MilestoneRow } from "../boot/boot-report.js";
import type { ClaimResult } from "../scenarios/asked-claims.js";
import type { ScenarioBootResult } from "../scenarios/scenario-boot.js";
import type { ScenarioResult, TestReport } from "../scenarios/scenario-run.js";
import { escapeXml } from "./junit-report.js";
import { describeDigests, type WayCell, wayTable } from "./way-table.js";

const style = `
  body { font: 15px/1.45 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222; }
  table { border-collapse: collapse; margin: .5em 0 1.5em; } td, th { padding: .15em .8em .15em 0; text-align: left; vertical-align: top; }
  td.time { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
  .passed { color: #17692b; } .failed, .broken, .missed { color: #a61b1b; } .not, .implied { color: #777; }
  pre { background: #f4f4f4; padding: .8em; overflow-x: auto; }`;

/** @param outDir folder of the page; links are relative to it */
export function formatScenarioHtml(report: TestReport, outDir: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>livelab test</title><style>${style}
</style></head><body>
<h1>livelab test: ${word(report.ok)}</h1>
<p>${escapeXml(report.startedAt)}, ${formatDuration(report.durationMs)}:
${report.passed} claims passed, ${report.failed} failed</p>
${formatWays(report)}
${report.scenarios.map((scenario) => formatScenario(scenario, outDir)).join("\n")}
</body></html>
`;
}

function formatWays({ scenarios }: TestReport): string {
  const table = wayTable(scenarios.flatMap(({ boots }) => boots));
  if (table === undefined) return "";
  const cell = ({ outcome, text }: WayCell): string => `<td class="${outcome.split(" ")[0]}">${escapeXml(text)}</td>`;
  return `<h2>Firmware and transport</h2>
<table><tr><th>to login</th><th>BIOS</th><th>UEFI</th></tr>
${table.rows.map(({ way, bios, uefi }) => `<tr><td>${escapeXml(way)}</td>${cell(bios)}${cell(uefi)}</tr>`).join("\n")}</table>
<p>${escapeXml(describeDigests(table.digests))}</p>`;
}

function formatScenario({ name, summary, passed, boots }: ScenarioResult, outDir: string): string {
  return `<h2>${escapeXml(name)}: ${word(passed)}</h2><p>${escapeXml(summary)}</p>
${boots.map((boot) => formatBoot(boot, outDir)).join("\n")}`;
}

function formatBoot({ name, folder, claims, report }: ScenarioBootResult, outDir: string): string {
  return `<h3>Boot ${escapeXml(name)}</h3>
${report === undefined ? "<p>This boot has no report.</p>" : formatReport(report, relative(outDir, folder))}
<table><tr><th>Claim</th><th></th><th>took</th><th></th></tr>
${claims.map(formatClaim).join("\n")}</table>`;
}

/** @param folder the boot's folder, relative to the page */
function formatReport(report: BootReport, folder: string): string {
  const { verdict, accelerator, image } = report;
  const transcript = report.options.medium === "ipxe" ? ["headnode.jsonl"] : [];
  // With ttya the firmware prints on the console.
  const firmware = report.options.serial === "ttya" ? [] : ["firmware.log"];
  const links = ["report.json", "console.log", ...firmware, ...transcript, "qemu.log", "argv.txt"].map(
    (file) => `<a href="${escapeXml(encodeURI(`${folder}/${file}`))}">${file}</a>`,
  );
  const failure =
    verdict.outcome === "passed"
      ? ""
      : `<p class="${verdict.outcome}">${describeOutcome(verdict)}: ${escapeXml(verdict.failure.message)}</p>
<pre>${escapeXml(verdict.failure.consoleTail.join("\n")).replaceAll("&#10;", "\n")}</pre>`;
  return `<p>platform ${escapeXml(image.stamp)}, ${accelerator.accelerator}: ${escapeXml(accelerator.reason)}; QEMU ${escapeXml(report.qemu)}. ${links.join(" ")}</p>
${failure}
<table><tr><th>Milestone</th><th>at</th><th>seen</th></tr>
${report.milestones.map(formatMilestone).join("\n")}</table>`;
}

function formatMilestone(row: MilestoneRow): string {
  const time = row.state === "reached" ? formatDuration(row.atMs) : "";
  const seen =
    row.state === "reached"
      ? escapeXml(row.detail)
      : `<span class="${row.state.split(" ")[0]}">${describeState(row)}</span>`;
  return `<tr><td>${row.name}</td><td class="time">${time}</td><td>${seen}</td></tr>`;
}

function formatClaim({ title, outcome, message = "", durationMs }: ClaimResult): string {
  return `<tr><td>${escapeXml(title)}</td><td class="${outcome.split(" ")[0]}">${outcome}</td><td class="time">${formatDuration(durationMs)}</td><td>${escapeXml(message)}</td></tr>`;
}

const word = (passed: boolean): string =>
  passed ? '<span class="passed">passed</span>' : '<span class="failed">failed</span>';
