/**
 * Reads what uvu prints: the failed tests and the summary. Its exit status alone is not to be trusted: see run-test-file.ts.
 * Source: uvu 0.5.6, src/index.js, format() and exec().
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

export interface UvuFailure {
  readonly title: string;
  /** First line of the error's message. */
  readonly message: string;
}

const FAILURE = /^ {3}FAIL {2}(?:.*? {2})?"(.*)"\n {4}(.*?)(?: {2}\(\w+(?:\.\w+)*\))?$/gm;

/** Every failed test in the output, in order. */
export function parseUvuFailures(output: string): readonly UvuFailure[] {
  return [...stripVTControlCharacters(output).matchAll(FAILURE)].map(([, title = "", message = ""]) => ({
    title,
    message: message.replace(/:$/, ""),
  }));
}
