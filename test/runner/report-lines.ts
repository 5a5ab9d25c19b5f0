/** How outcomes read on the terminal and in a log. */
import { formatDuration } from "../../base/format.js";
import type { Outcome } from "./outcome.js";

/** One line for an outcome; for a failed one its problems and all its output below. */
export function outcomeLines(outcome: Outcome): string {
  const { name, passed, failed, problems, remarks, durationMs } = outcome;
  const counts = failed === 0 ? `${passed} passed` : `${passed} passed, ${failed} failed`;
  const lines = [`${failed === 0 ? "ok  " : "FAIL"}  ${name}  ${counts}, ${formatDuration(durationMs)}`];
  for (const text of [...remarks, ...problems]) lines.push(indent(text));
  if (failed > 0 && outcome.output.trim() !== "")
    lines.push(indent("its output:"), indent(indent(outcome.output.trim())));
  return lines.join("\n");
}

/** The end of a run: what failed, and as the very last line the sum. */
export function summaryLines(outcomes: readonly Outcome[], durationMs: number): string {
  const sum = total(outcomes);
  const failed = outcomes.filter((outcome) => outcome.failed > 0);
  return [
    "",
    ...(failed.length > 0 ? ["failed:", ...failed.map((outcome) => `  ${outcome.name}: ${firstLine(outcome)}`)] : []),
    `in ${formatDuration(durationMs)}`,
    `${sum.passed} passed, ${sum.failed} failed`,
  ].join("\n");
}

/** @returns counts over all outcomes */
export function total(outcomes: readonly Outcome[]): { readonly passed: number; readonly failed: number } {
  return {
    passed: outcomes.reduce((sum, outcome) => sum + outcome.passed, 0),
    failed: outcomes.reduce((sum, outcome) => sum + outcome.failed, 0),
  };
}

const indent = (text: string): string => text.replaceAll(/^/gm, "      ");
const firstLine = (outcome: Outcome): string => outcome.problems[0]?.split("\n")[0] ?? "";
