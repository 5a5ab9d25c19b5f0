import { LivelabError } from "./livelab-error.js";

/**
 * - `optional`: the host lacks it; everything works without it, perhaps slower
 * - `warning`: something works slower, or in part
 * - `missing`: work that needs it fails
 */
export type CheckState = "ok" | "optional" | "warning" | "missing";

/** One line of `livelab doctor`: something that the host has, lacks, or has in part. */
export interface HostCheck {
  /** What was checked, e.g. "qemu-system-x86_64". */
  readonly name: string;
  readonly state: CheckState;
  /** What was found, e.g. "7.2.22 at /usr/bin/qemu-system-x86_64". */
  readonly detail: string;
  /** The command or step that fixes it; absent when state is "ok". */
  readonly remedy?: string;
}

const STATE_WIDTH = "optional".length;

/** Formats one line per check, with a remedy below each check that has one. */
export function describeChecks(checks: readonly HostCheck[]): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  return checks
    .flatMap(({ name, state, detail, remedy }) => [
      `${state.padEnd(STATE_WIDTH)}  ${name.padEnd(width)}  ${detail}`,
      ...(remedy === undefined ? [] : [`${" ".repeat(STATE_WIDTH + width + 4)}remedy: ${remedy}`]),
    ])
    .join("\n");
}

/** A check that failed with `error`. The remedy is `remedy`, or the hint of a LivelabError. */
export function failedCheck(name: string, error: unknown, remedy?: string): HostCheck {
  const [detail = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
  const mend = remedy ?? (error instanceof LivelabError ? error.hint : undefined);
  return { name, state: "missing", detail, ...(mend !== undefined && { remedy: mend }) };
}
