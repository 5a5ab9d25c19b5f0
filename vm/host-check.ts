/** One line of `livelab doctor`: something the host has, lacks, or has only in part. */
export interface HostCheck {
  /** What was looked at, e.g. "qemu-system-x86_64". */
  readonly name: string;
  /** `missing` stops work that needs it; `warning` only slows or narrows it. */
  readonly state: "ok" | "warning" | "missing";
  /** What was found, e.g. "7.2.22 at /usr/bin/qemu-system-x86_64". */
  readonly detail: string;
  /** The command or step that mends it; absent when state is "ok". */
  readonly remedy?: string;
}

/** A line a check, remedies below those that need one. */
export function describeChecks(checks: readonly HostCheck[]): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  return checks
    .flatMap(({ name, state, detail, remedy }) => [
      `${state.padEnd(7)}  ${name.padEnd(width)}  ${detail}`,
      ...(remedy === undefined ? [] : [`${" ".repeat(width + 11)}remedy: ${remedy}`]),
    ])
    .join("\n");
}
