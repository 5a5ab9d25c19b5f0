/**
 * A scenario: boots of one image with given fixtures, and what is claimed of each.
 * Claims are values, so that a boot that ends early leaves every one of them visibly unproven.
 * Not here: running them (scenario-run.ts, scenario-boot.ts), the scenarios themselves (test/scenarios).
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
  /** Empty disks by name, with their sizes in MiB: made for each run, kept from boot to boot. @default none */
  readonly disks?: Readonly<Record<string, number>>;
  /** One after the other. */
  readonly boots: readonly ScenarioBoot[];
}

/** What a boot is to come to: a login, or a stop that the image makes on purpose. */
export type ScenarioBoot = LoginBoot | RefusedBoot;

interface BootSetting {
  /** Names the boot among those of its scenario, and its folder. */
  readonly name: string;
  /** What the headnode hands out and what the machine has. */
  readonly fixtures: ScenarioSettings;
  /** Names of the scenario's disks that the machine has from power-on, in order. @default none */
  readonly disks?: readonly string[];
  /** Disks that are plugged in while it runs. @default none */
  readonly plugs?: readonly Plug[];
  /** Milestones that must be reached, as far as they are on the boot's way (boot-way.ts). */
  readonly milestones: readonly MilestoneName[];
}

export interface Plug {
  /** Name of one of the scenario's disks. */
  readonly disk: string;
  /** The console line upon which it is plugged in. */
  readonly when: RegExp;
}

export interface LoginBoot extends BootSetting {
  readonly refusal?: undefined;
  /** What must be so in the booted CN, asked in this order. */
  readonly claims: readonly Claim<BootedCn>[];
  /** How the guest is to end itself after the claims. @default it is not asked: its power is cut */
  readonly ending?: GuestEnding | undefined;
}

export interface RefusedBoot extends BootSetting {
  /** The sign with which the boot must stop, before anybody could log in. */
  readonly refusal: FatalReason;
  readonly claims: readonly Claim<SeenCn>[];
}

export interface Claim<Subject = BootedCn> {
  /** What is claimed, as a sentence that can be false: "the hostid is that of the system UUID". */
  readonly title: string;
  /** @throws ExpectationFailed when it is not so */
  readonly verify: (cn: Subject) => Promise<void>;
}

/** What can be told of a CN from outside. */
export interface SeenCn {
  readonly plan: BootPlan;
  readonly recorder: MilestoneRecorder;
  /** What came on ttyS1 so far, oldest line first. */
  readonly consoleLines: () => readonly string[];
  /** What the headnode's own DHCP was asked and answered so far; nothing where QEMU's answers. */
  readonly dhcp: () => readonly DhcpExchange[];
}

/** What a claim can ask of a CN with a login. */
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
