/**
 * The named points of a boot, and the signs that it will not get further.
 * Sources: DESIGN.md section 7; live-boot 20230131 (9990-initramfs-tools.sh, 9990-misc-helpers.sh); initramfs-tools
 * scripts/functions (panic); systemd 252 (src/core/main.c, units/emergency.service); Linux kernel/panic.c, mm/oom_kill.c,
 * fs/squashfs; iPXE hci/shell.c, usr/autoboot.c (uriboot); SeaBIOS src/boot.c (call_boot_entry);
 * edk2 MdeModulePkg/Library/UefiBootManagerLib (BdsDxe's words), ShellPkg.
 * Not here: how long to wait for each (the boot's own code does), and what the headnode serves.
 */
import type { Console, ConsoleMatch, MatchOn } from "../console/console.js";
import { loginPrompt } from "../console/serial-login.js";

/** How a milestone is seen: by a line of the console, or by the headnode, which says when it has sent a file in full. */
export type MilestoneSource =
  | { readonly kind: "console"; readonly pattern: RegExp; readonly on: MatchOn }
  | { readonly kind: "headnode" };

interface MilestoneSpec {
  readonly name: string;
  readonly source: MilestoneSource;
  /** What one waits for until it is reached, in words. */
  readonly awaited: string;
  /**
   * Whether any later milestone proves that this one was passed. A step of the boot itself is: no login without a kernel. What the
   * early boot states, such as the digest or the hostid, is proved by its own line alone.
   * @default false
   */
  readonly isImplied?: true;
}

const headnode: MilestoneSource = { kind: "headnode" };
const consoleLine = (pattern: RegExp): MilestoneSource => ({ kind: "console", pattern, on: "line" });

/** All milestones, in the order in which a boot reaches them. No boot passes all of them (boot-way.ts). */
export const milestones = [
  { name: "loader-fetch", source: headnode, awaited: "the firmware's PXE to fetch the iPXE that DHCP names" },
  { name: "ipxe-script", source: headnode, awaited: "iPXE to fetch its boot script from the headnode" },
  { name: "kernel-fetch", source: headnode, awaited: "iPXE to fetch the whole kernel" },
  { name: "initrd-fetch", source: headnode, awaited: "iPXE to fetch the whole initrd" },
  { name: "modules-fetch", source: headnode, awaited: "iPXE to fetch the last boot module" },
  {
    // Not printed with quiet, loglevel=0, printk.time=0 and the like.
    name: "kernel",
    source: consoleLine(/^\[ {0,4}\d+\.\d{6}\] \S/),
    awaited: "the kernel's first line on the console",
    isImplied: true,
  },
  { name: "live-boot-fetch", source: headnode, awaited: "live-boot to fetch the whole filesystem.squashfs" },
  {
    name: "verified",
    source: consoleLine(/^triton: verified filesystem\.squashfs, sha1 ([0-9a-f]{40})$/),
    awaited: "the early boot to verify the root's digest (triton: verified …)",
  },
  {
    name: "hostid",
    source: consoleLine(/^triton: hostid ([0-9a-f]{8})$/),
    awaited: "the early boot to set the hostid (triton: hostid …)",
  },
  {
    name: "system-pool",
    source: consoleLine(/^triton: system pool (\S.*)$/),
    awaited: "the early boot to tell of the system pool (triton: system pool …)",
  },
  {
    name: "pivot",
    // GRUB says welcome as well. Not printed with quiet, systemd.show_status=0 and the like, or with another console behind ttyS1.
    source: consoleLine(/systemd\[1\]: systemd (\d+)\S* .*running in system mode|^Welcome to (?!GRUB!)(.+)!$/),
    awaited: "systemd's first line in the new root",
    isImplied: true,
  },
  {
    name: "networkd",
    source: consoleLine(/^triton: network (\S+) (\S+)/),
    awaited: "a link to be configured (triton: network …)",
  },
  {
    name: "login",
    source: { kind: "console", pattern: loginPrompt, on: "prompt" },
    awaited: "getty's login prompt on the console",
  },
] as const satisfies readonly MilestoneSpec[];

export type MilestoneName = (typeof milestones)[number]["name"];

export const milestoneNames: readonly MilestoneName[] = milestones.map(({ name }) => name);

/** The milestones that are passed once `name` is reached, seen or not, in the order of a boot. */
function impliedBy(name: MilestoneName): readonly MilestoneName[] {
  // The early boot announces its links before the new root takes over.
  const place = milestoneNames.indexOf(name === "networkd" ? "system-pool" : name);
  const specs: readonly MilestoneSpec[] = milestones;
  return milestones.flatMap((each, index) => (index < place && specs[index]?.isImplied === true ? [each.name] : []));
}

/** A milestone that was reached, whoever saw it. */
export interface MilestoneEvent {
  readonly name: MilestoneName;
  /** Milliseconds since power-on. */
  readonly atMs: number;
  /** What was seen: the console line, or the headnode's request. */
  readonly detail: string;
}

/**
 * - `kernel-panic`: the kernel stopped
 * - `out-of-memory`: the kernel killed PID 1 for want of memory, or had nothing left to kill
 * - `live-boot-failed`: live-boot gave up; `text` is its reason
 * - `wrong-squashfs`: the early boot refuses a root whose digest is not the one that was delivered
 * - `initramfs-shell`: the prompt of the initramfs
 * - `emergency-shell`: systemd's emergency or rescue mode
 * - `squashfs-error`: the root file system cannot be read
 * - `ipxe-prompt`: iPXE gave up
 * - `firmware-prompt`: the firmware found nothing to boot
 * - `restarted`: the kernel began anew
 */
export type FatalReason =
  | "kernel-panic"
  | "out-of-memory"
  | "live-boot-failed"
  | "wrong-squashfs"
  | "initramfs-shell"
  | "emergency-shell"
  | "squashfs-error"
  | "ipxe-prompt"
  | "firmware-prompt"
  | "restarted";

/** The guest said itself that it cannot go on. */
export interface FatalSign {
  readonly reason: FatalReason;
  /** What says so, to the end of its line. */
  readonly text: string;
  /** Milliseconds since power-on. */
  readonly atMs: number;
}

interface FatalPattern {
  readonly reason: FatalReason;
  readonly pattern: RegExp;
  readonly on?: MatchOn;
}

const fatalPatterns: readonly FatalPattern[] = [
  {
    reason: "out-of-memory",
    pattern: /Out of memory: Killed process 1 |System is deadlocked on memory|Out of memory and no killable processes/,
  },
  { reason: "kernel-panic", pattern: /Kernel panic - not syncing: / },
  { reason: "wrong-squashfs", pattern: /^triton: error: filesystem\.squashfs is not the one / },
  { reason: "initramfs-shell", pattern: /^\(initramfs\) $/, on: "prompt" },
  {
    reason: "emergency-shell",
    pattern: /^You are in (?:emergency|rescue) mode\.|^Cannot open access to console, the root account is locked/,
  },
  { reason: "squashfs-error", pattern: /SQUASHFS error: |(?:blk_update_request: )?I\/O error, dev loop\d+, / },
  { reason: "ipxe-prompt", pattern: /^iPXE> $/, on: "prompt" },
  { reason: "ipxe-prompt", pattern: /Could not boot(?: image)?: \S/ },
  { reason: "firmware-prompt", pattern: /^(?:Shell|grub|grub rescue)> $/, on: "prompt" },
  // What iPXE printed before and took back with backspaces stands on the same line.
  { reason: "firmware-prompt", pattern: /No bootable device\./, on: "prompt" },
  // UEFI has one thing to boot, as BIOS has; what it tries after that, the shell or its menu, is no boot.
  { reason: "firmware-prompt", pattern: /BdsDxe: failed to (?:load|start) Boot[0-9A-F]{4} / },
  { reason: "firmware-prompt", pattern: /BdsDxe: No bootable option or device was found/ },
];

/** live-boot's last words before its reason, which is the next line with text. */
const liveBootReasonFollows = /live-boot will now (?:start a shell|restart your system)\. The error message was:/;

/** The kernel's very first line; a second one means that the machine was reset. */
const kernelBanner = /^\[ {4}0\.000000\] Linux version (\S+)/;

export interface MilestoneRecorderOptions {
  /** Told of each milestone when it is first reached. */
  readonly onMilestone?: (event: MilestoneEvent) => void;
  /** Told of each sign that the boot will not get further. */
  readonly onFatalSign?: (sign: FatalSign) => void;
}

/** Keeps when each milestone was first reached, and the signs that there will be no more of them. */
export class MilestoneRecorder {
  readonly #reached = new Map<MilestoneName, MilestoneEvent>();
  readonly #implied = new Map<MilestoneName, MilestoneEvent>();
  readonly #fatalSigns: FatalSign[] = [];
  readonly #options: MilestoneRecorderOptions;

  constructor(options: MilestoneRecorderOptions = {}) {
    this.#options = options;
  }

  /** Watches a console from now on. @returns a function that stops */
  observe(console: Console): () => void {
    let banners = 0;
    const stops = [
      ...milestones.flatMap(({ name, source }) =>
        source.kind === "console"
          ? [console.watch(source.pattern, ({ text, atMs }) => this.record({ name, atMs, detail: text }), source.on)]
          : [],
      ),
      ...fatalPatterns.map(({ reason, pattern, on }) =>
        console.watch(pattern, (found) => this.#recordFatal(reason, found), on),
      ),
      console.watch(liveBootReasonFollows, () => {
        const stop = console.watch(/\S/, (found) => {
          stop();
          this.#recordFatal("live-boot-failed", found);
        });
        stops.push(stop);
      }),
      console.watch(kernelBanner, (found) => {
        banners += 1;
        if (banners > 1) this.#recordFatal("restarted", found);
      }),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** Takes a milestone that was seen elsewhere, in the headnode's transcript; only the first of a name counts. */
  record(event: MilestoneEvent): void {
    if (this.#reached.has(event.name)) return;
    this.#reached.set(event.name, event);
    for (const earlier of impliedBy(event.name)) {
      if (!this.#implied.has(earlier)) this.#implied.set(earlier, event);
    }
    this.#options.onMilestone?.(event);
  }

  /** What was seen, in the order in which it was reached. */
  get reached(): readonly MilestoneEvent[] {
    return [...this.#reached.values()].sort((a, b) => a.atMs - b.atMs);
  }

  /** Whether it is passed: seen, or implied by a later one. */
  has(name: MilestoneName): boolean {
    return this.#reached.has(name) || this.#implied.has(name);
  }

  /** The first milestone that proves that `name` was passed; undefined where `name` itself was seen, or nothing proves it. */
  implierOf(name: MilestoneName): MilestoneEvent | undefined {
    return this.#reached.has(name) ? undefined : this.#implied.get(name);
  }

  /** The milestone seen last. */
  get last(): MilestoneEvent | undefined {
    return this.reached.at(-1);
  }

  /** The signs that the boot will not get further, in the order in which they were seen. */
  get fatalSigns(): readonly FatalSign[] {
    return this.#fatalSigns;
  }

  #recordFatal(reason: FatalReason, { match, text, atMs }: ConsoleMatch): void {
    const sign: FatalSign = { reason, text: text.slice(match.index).trim(), atMs };
    this.#fatalSigns.push(sign);
    this.#options.onFatalSign?.(sign);
  }
}
