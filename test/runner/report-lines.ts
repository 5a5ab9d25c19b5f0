/** Formats outcomes for the terminal and for logs. */
import { formatDuration } from "../../base/format.js";
import type { Outcome } from "./outcome.js";

/** Formats an outcome in one line; a failed one with its problems and its whole output below. */
export function outcomeLines(outcome: Outcome): string {
  const { name, passed, failed, problems, remarks, durationMs } = outcome;
  const counts = failed === 0 ? `${passed} passed` : `${passed} passed, ${failed} failed`;
  const lines = [`${failed === 0 ? "ok  " : "FAIL"}  ${name}  ${counts}, ${formatDuration(durationMs)}`];
  for (const text of [...remarks, ...problems]) lines.push(indent(text));
  if (failed > 0 && outcome.output.trim() !== "")
    lines.push(indent("its output:"), indent(indent(outcome.output.trim())));
  return lines.join("\n");
}

/** A part of a run, e.g. "machine tests": its items run side by side, the parts one after the other. */
export interface Part {
  readonly name: string;
  readonly durationMs: number;
}

export interface TestRun {
  readonly outcomes: readonly Outcome[];
  /** The parts that had something to run. */
  readonly parts: readonly Part[];
  readonly durationMs: number;
}

/** How many of the slowest files and checks the summary lists; a run of fewer lists none. */
const SLOWEST = 10;

/** Formats the end of a run: where the time went, what failed, how to run only that again, and the sum as the last line. */
export function summaryLines({ outcomes, parts, durationMs }: TestRun): string {
  const sum = total(outcomes);
  const failed = outcomes.filter((outcome) => outcome.failed > 0);
  return [
    "",
    ...section("parts:", parts.length > 1 ? timeLines(parts) : []),
    ...section("slowest:", outcomes.length > SLOWEST ? timeLines(slowestOf(outcomes)) : []),
    ...section(
      "failed:",
      failed.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${firstLine(problem)}`)),
    ),
    ...section("to run just that again:", rerunCommands(failed)),
    `in ${formatDuration(durationMs)}`,
    `${sum.passed} passed, ${sum.failed} failed`,
  ].join("\n");
}

/** A heading with its lines; empty if there are no lines. */
const section = (heading: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [heading, ...lines.map((line) => `  ${line}`)];

const slowestOf = (outcomes: readonly Outcome[]): readonly Outcome[] =>
  [...outcomes].sort((a, b) => b.durationMs - a.durationMs).slice(0, SLOWEST);

function timeLines(items: readonly Part[]): string[] {
  const durations = items.map(({ durationMs }) => formatDuration(durationMs));
  const width = Math.max(...durations.map((text) => text.length));
  return items.map(({ name }, index) => `${durations[index]?.padStart(width)}  ${name}`);
}

/** One line per command, with the arguments of all its items. */
function rerunCommands(failed: readonly Outcome[]): string[] {
  const args = new Map<string, Set<string>>();
  for (const { rerun } of failed) {
    args.set(rerun.command, new Set([...(args.get(rerun.command) ?? []), ...rerun.args]));
  }
  return [...args].map(([command, words]) => [command, ...words].join(" "));
}

/** @returns the sums over all outcomes */
export function total(outcomes: readonly Outcome[]): { readonly passed: number; readonly failed: number } {
  return {
    passed: outcomes.reduce((sum, outcome) => sum + outcome.passed, 0),
    failed: outcomes.reduce((sum, outcome) => sum + outcome.failed, 0),
  };
}

const indent = (text: string): string => text.replaceAll(/^/gm, "      ");
const firstLine = (text: string): string => text.split("\n")[0] ?? "";
