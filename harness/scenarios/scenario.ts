/**
 * A scenario: boots of one image with given fixtures, and the claims about each boot.
 * Claims are values, so that a boot that ends early shows each of them as not run.
 * The scenarios themselves are in test/scenarios; scenario-run.ts runs them.
 */
import type { ScenarioSettings } from "../boot/boot-options.js";
import type { BootPlan } from "../boot/boot-plan.js";
import { expectEqual, expectTrue } from "../boot/expect.js";
import type { FatalReason, MilestoneName, MilestoneRecorder } from "../boot/milestones.js";
import type { GuestEnding } from "../boot/running-cn.js";
import type { DhcpExchange } from "../headnode/dhcp-service.js";

export interface Scenario {
  /** Words joined by dashes; names a folder. */
  readonly name: string;
  /** One sentence for the report. */
  readonly summary: string;
  /** Empty disks: name and size in MiB. They are made for each run and kept from boot to boot. @default none */
  readonly disks?: Readonly<Record<string, number>>;
  /** They run one after the other. */
  readonly boots: readonly ScenarioBoot[];
}

/** A boot whose goal is a login, or a stop that the image makes on purpose. */
export type ScenarioBoot = LoginBoot | RefusedBoot;

interface BootSetting {
  /** Names the boot among those of its scenario, and its folder. */
  readonly name: string;
  /** What the headnode serves and what the machine has. */
  readonly fixtures: ScenarioSettings;
  /** Names of the scenario's disks that are attached at power-on, in order. @default none */
  readonly disks?: readonly string[];
  /** Disks to plug in while the machine runs. @default none */
  readonly plugs?: readonly Plug[];
  /** Milestones that the boot must reach. Those that are not on its way (boot/boot-way.ts) are ignored. */
  readonly milestones: readonly MilestoneName[];
}

export interface Plug {
  /** Name of one of the scenario's disks. */
  readonly disk: string;
  /** The disk is plugged in when a console line matches. */
  readonly when: RegExp;
}

export interface LoginBoot extends BootSetting {
  readonly refusal?: undefined;
  /** Claims about the booted CN, checked in this order. */
  readonly claims: readonly Claim<BootedCn>[];
  /** How the guest ends itself after the claims. @default livelab cuts its power */
  readonly ending?: GuestEnding | undefined;
}

export interface RefusedBoot extends BootSetting {
  /** The sign with which the boot must stop, before the login prompt. */
  readonly refusal: FatalReason;
  readonly claims: readonly Claim<SeenCn>[];
}

export interface Claim<Subject = BootedCn> {
  /** What is claimed, as a sentence that can be false: "the hostid is that of the system UUID". */
  readonly title: string;
  /** @throws ExpectationFailed when it is false */
  readonly verify: (cn: Subject) => Promise<void>;
}

/** What a claim can observe of a CN from outside. */
export interface SeenCn {
  readonly plan: BootPlan;
  readonly recorder: MilestoneRecorder;
  /** The lines printed on the console so far, oldest first. */
  readonly consoleLines: () => readonly string[];
  /** Requests to the headnode's own DHCP and its answers so far; empty when QEMU's DHCP answers. */
  readonly dhcp: () => readonly DhcpExchange[];
}

/** What a claim can observe of a CN with a login. */
export interface BootedCn extends SeenCn {
  /** Runs a command as root. @returns its standard output without the final newline @throws ExpectationFailed COMMAND_FAILED */
  readonly run: (command: string) => Promise<string>;
}

/** A claim that a line of the console matches. */
export const consoleSays = (title: string, pattern: RegExp): Claim<SeenCn> => ({
  title,
  verify: async ({ consoleLines }) => {
    const lines = consoleLines();
    expectTrue(
      `a console line matches ${pattern}`,
      lines.some((line) => pattern.test(line)),
      lines.filter(isOurs),
    );
  },
});

/** A claim that no line of the console matches. */
export const consoleNeverSays = (title: string, pattern: RegExp): Claim<SeenCn> => ({
  title,
  verify: async ({ consoleLines }) =>
    expectEqual(
      `the list of console lines with ${pattern}`,
      consoleLines().filter((line) => pattern.test(line)),
      [],
    ),
});

/** Whether the image's early boot wrote the line. */
const isOurs = (line: string): boolean => line.startsWith("triton: ");

/** Whether a boot of the scenario needs a boot medium: the ISO or the USB image. */
export const bootsMedium = ({ boots }: Scenario): boolean =>
  boots.some(({ fixtures: { medium = "ipxe" } }) => medium !== "ipxe");
