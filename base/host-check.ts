/**
 * - `optional`: the host lacks it, and everything works without it, if slower
 * - `warning`: something is slowed or narrowed
 * - `missing`: work that needs it stops
 */
export type CheckState = "ok" | "optional" | "warning" | "missing";

/** One line of `livelab doctor`: something the host has, lacks, or has only in part. */
export interface HostCheck {
  /** What was looked at, e.g. "qemu-system-x86_64". */
  readonly name: string;
  readonly state: CheckState;
  /** What was found, e.g. "7.2.22 at /usr/bin/qemu-system-x86_64". */
  readonly detail: string;
  /** The command or step that mends it; absent when state is "ok". */
  readonly remedy?: string;
}

const STATE_WIDTH = "optional".length;

/** A line a check, remedies below those that need one. */
export function describeChecks(checks: readonly HostCheck[]): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  return checks
    .flatMap(({ name, state, detail, remedy }) => [
      `${state.padEnd(STATE_WIDTH)}  ${name.padEnd(width)}  ${detail}`,
      ...(remedy === undefined ? [] : [`${" ".repeat(STATE_WIDTH + width + 4)}remedy: ${remedy}`]),
    ])
    .join("\n");
}
