/**
 * Formats a test report as JUnit XML for CI systems: a suite per boot, a case per claim.
 * Source: the de-facto schema of Ant's and Surefire's reports (`failure`: the claim does not hold; `error`: the boot broke).
 */
import { type BootVerdict, describeOutcome } from "../boot/boot-report.js";
import type { ClaimResult } from "../scenarios/asked-claims.js";
import type { ScenarioBootResult } from "../scenarios/scenario-boot.js";
import type { TestReport } from "../scenarios/scenario-run.js";

export function formatJunit(report: TestReport): string {
  const suites = report.scenarios.flatMap(({ name, boots }) =>
    boots.map((boot) => formatSuite(`${name}/${boot.name}`, boot, report)),
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="livelab" time="${seconds(report.durationMs)}">`,
    ...suites,
    "</testsuites>",
    "",
  ].join("\n");
}

/** @param run its start replaces the start of a boot without a report */
function formatSuite(name: string, { claims, report }: ScenarioBootResult, run: TestReport): string {
  const { startedAt, durationMs } = report ?? { startedAt: run.startedAt, durationMs: 0 };
  const count = (wanted: ClaimResult["outcome"]): number => claims.filter(({ outcome }) => outcome === wanted).length;
  return [
    `  <testsuite name="${escapeXml(name)}" tests="${claims.length}" failures="${count("failed")}" errors="${count("broken")}"` +
      ` skipped="${count("not run")}" timestamp="${startedAt}" time="${seconds(durationMs)}">`,
    ...claims.map((claim) => formatCase(name, claim, report?.verdict)),
    "  </testsuite>",
  ].join("\n");
}

function formatCase(
  suite: string,
  { title, outcome, message = "", durationMs }: ClaimResult,
  verdict: BootVerdict | undefined,
): string {
  const head = `    <testcase classname="${escapeXml(suite)}" name="${escapeXml(title)}" time="${seconds(durationMs)}"`;
  const inner = (tag: string, words = message): string => `${head}><${tag} message="${escapeXml(words)}"/></testcase>`;
  switch (outcome) {
    case "passed":
      return `${head}/>`;
    case "failed":
      return inner("failure");
    case "broken":
      return inner("error", verdict?.outcome === "broken" ? `${describeOutcome(verdict)}: ${message}` : message);
    case "not run":
      return inner("skipped");
    default:
      return outcome satisfies never;
  }
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3);

/** Escapes text for elements and attributes. A character that XML 1.0 does not allow becomes "?". */
export function escapeXml(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "?")
    .replace(/[&<>"'\t\n\r]/g, (char) => `&#${char.charCodeAt(0)};`);
}
