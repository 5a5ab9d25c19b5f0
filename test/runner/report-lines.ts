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

/** So many files and checks count as slow; a run of fewer lists none. */
const SLOWEST = 10;

/** The end of a run: what was slow, what failed, how to run just that again, and as the very last line the sum. */
export function summaryLines(outcomes: readonly Outcome[], durationMs: number): string {
  const sum = total(outcomes);
  const failed = outcomes.filter((outcome) => outcome.failed > 0);
  return [
    "",
    ...section("slowest:", outcomes.length > SLOWEST ? slowestLines(outcomes) : []),
    ...section(
      "failed:",
      failed.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${firstLine(problem)}`)),
    ),
    ...section("to run just that again:", rerunCommands(failed)),
    `in ${formatDuration(durationMs)}`,
    `${sum.passed} passed, ${sum.failed} failed`,
  ].join("\n");
}

/** A heading with its lines; nothing when there are none. */
const section = (heading: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [heading, ...lines.map((line) => `  ${line}`)];

function slowestLines(outcomes: readonly Outcome[]): string[] {
  const slowest = [...outcomes].sort((a, b) => b.durationMs - a.durationMs).slice(0, SLOWEST);
  const durations = slowest.map(({ durationMs }) => formatDuration(durationMs));
  const width = Math.max(...durations.map((text) => text.length));
  return slowest.map(({ name }, index) => `${durations[index]?.padStart(width)}  ${name}`);
}

/** One line for each command, with the arguments of all that it runs. */
function rerunCommands(failed: readonly Outcome[]): string[] {
  const args = new Map<string, Set<string>>();
  for (const { rerun } of failed) {
    args.set(rerun.command, new Set([...(args.get(rerun.command) ?? []), ...rerun.args]));
  }
  return [...args].map(([command, words]) => [command, ...words].join(" "));
}

/** @returns counts over all outcomes */
export function total(outcomes: readonly Outcome[]): { readonly passed: number; readonly failed: number } {
  return {
    passed: outcomes.reduce((sum, outcome) => sum + outcome.passed, 0),
    failed: outcomes.reduce((sum, outcome) => sum + outcome.failed, 0),
  };
}

const indent = (text: string): string => text.replaceAll(/^/gm, "      ");
const firstLine = (text: string): string => text.split("\n")[0] ?? "";
