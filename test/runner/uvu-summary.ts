/**
 * Reads what uvu prints at the end of a run. Its exit status alone is not to be trusted: see run-test-file.ts.
 * Source: uvu 0.5.6, src/index.js, exec().
 */
import { stripVTControlCharacters } from "node:util";

export interface UvuSummary {
  readonly total: number;
  readonly passed: number;
  readonly skipped: number;
}

const SUMMARY = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n {2}Duration: +[\d.]+ms$/gm;

/** Every summary in the output, in order. A sound file prints one. */
export function parseUvuSummaries(output: string): readonly UvuSummary[] {
  return [...stripVTControlCharacters(output).matchAll(SUMMARY)].map(([, total, passed, skipped]) => ({
    total: Number(total),
    passed: Number(passed),
    skipped: Number(skipped),
  }));
}
