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
