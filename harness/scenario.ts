/**
 * A scenario: boots of one image with given fixtures, and what is claimed of each.
 * Claims are values, so that a boot that ends early leaves every one of them visibly unproven.
 * Not here: running them (scenario-run.ts), the scenarios themselves (test/scenarios).
 */
import type { BootOptions, BootPlan } from "./boot-plan.js";
import type { CommandReport } from "./boot-report.js";
import { ExpectationFailed } from "./harness-error.js";
import type { MilestoneName, MilestoneRecorder } from "./milestones.js";

export interface Scenario {
  /** Words joined by dashes; names a folder. */
  readonly name: string;
  /** One sentence for the report. */
  readonly summary: string;
  readonly boots: readonly ScenarioBoot[];
}

export interface ScenarioBoot {
  /** Names the boot among those of its scenario, and its folder. */
  readonly name: string;
  /** What the headnode hands out and what the machine has. */
  readonly fixtures: Pick<
    BootOptions,
    "networkingPath" | "nodeConfigPath" | "uuid" | "mac" | "disks" | "append" | "scriptTransport"
  >;
  /** Milestones that must be reached; the boot goes on to login. */
  readonly milestones: readonly MilestoneName[];
  /** What must be so in the booted CN, asked in this order. */
  readonly claims: readonly Claim[];
}

export interface Claim {
  /** What is claimed, as a sentence that can be false: "the hostid is that of the system UUID". */
  readonly title: string;
  /** @throws ExpectationFailed when it is not so */
  readonly verify: (cn: BootedCn) => Promise<void>;
}

/** What a claim can ask. */
export interface BootedCn {
  readonly plan: BootPlan;
  readonly recorder: MilestoneRecorder;
  /** Runs a command as root. @returns its standard output without the final newline @throws ExpectationFailed COMMAND_FAILED */
  readonly run: (command: string) => Promise<string>;
}

/** @throws ExpectationFailed WRONG_VALUE unless both have the same JSON form */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== should) throw new ExpectationFailed("WRONG_VALUE", `${what} is ${is}, and should be ${should}`);
}

/** @throws ExpectationFailed WRONG_VALUE, with what was seen */
export function expectTrue(claim: string, isSo: boolean, seen: unknown): void {
  if (!isSo) throw new ExpectationFailed("WRONG_VALUE", `${claim} is not so; seen: ${JSON.stringify(seen)}`);
}

/** @throws ExpectationFailed COMMAND_FAILED unless the status is 0 */
export function expectSuccess({ command, status, stdout, stderr }: CommandReport): void {
  if (status === 0) return;
  const said = (stderr.trimEnd() || stdout.trimEnd()).split("\n").at(-1);
  throw new ExpectationFailed("COMMAND_FAILED", `\`${command}\` ended with status ${status}${said ? `: ${said}` : ""}`);
}
