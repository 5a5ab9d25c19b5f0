/**
 * Runs one boot of a scenario to its login or its stop, checks each claim, and lets the guest end itself if the boot says so.
 * Every verdict starts as failed; a claim passes only if it was checked and is true.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { labelled, type Progress } from "../../base/progress/progress.js";
import type { Accelerator } from "../../vm/machine-spec.js";
import { type BootPlan, planBoot } from "../boot/boot-plan.js";
import type { BootReport } from "../boot/boot-report.js";
import { milestonesOn } from "../boot/boot-way.js";
import { expectSuccess } from "../boot/expect.js";
import type { MilestoneName } from "../boot/milestones.js";
import { type CnShell, type PowerOnContext, RunningCn } from "../boot/running-cn.js";
import { ExpectationFailed } from "../harness-error.js";
import { AskedClaims, type ClaimOutcome, type ClaimResult, outcomeOf } from "./asked-claims.js";
import type { LoginBoot, RefusedBoot, Scenario, ScenarioBoot, SeenCn } from "./scenario.js";
import type { ScenarioDisks } from "./scenario-disks.js";

export interface ScenarioBootResult {
  readonly name: string;
  readonly folder: string;
  /** Milestones first, then the claims of the boot, then what the boot itself must do. */
  readonly claims: readonly ClaimResult[];
  /** Undefined for a boot that ended without a report; its claims have the reason. */
  readonly report: BootReport | undefined;
}

export interface ScenarioBootOptions {
  /** The platform image; see BootOptions. */
  readonly imageDir: string;
  /** The scenario's folder; the boot's folder in it is replaced. */
  readonly folder: string;
  readonly stateDir: string;
  readonly accelerator?: "auto" | Accelerator | undefined;
  /** See MediumOptions. */
  readonly findLoaders?: (() => Promise<string>) | undefined;
  readonly disks: ScenarioDisks;
  /** Virtual CPUs of the CN, unless the boot sets them. */
  readonly cpus: number;
}

export interface ScenarioBootContext {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** See PowerOnContext. */
  readonly decideAccelerator?: PowerOnContext["decideAccelerator"];
}

/** How long a stopped boot is watched for staying stopped, in milliseconds at native speed. */
const STOP_WATCH_MS = 3_000;

/**
 * Runs a boot. A fault of the guest is a result, not an error.
 * @throws UsageError, VmError, HarnessError when the boot could not start; the signal's reason when it is aborted
 */
export async function runScenarioBoot(
  scenario: Scenario,
  boot: ScenarioBoot,
  options: ScenarioBootOptions,
  { signal, progress, decideAccelerator }: ScenarioBootContext,
): Promise<ScenarioBootResult> {
  const folder = join(options.folder, boot.name);
  await rm(folder, { recursive: true, force: true });
  const { imageDir, stateDir, accelerator, findLoaders, disks, cpus } = options;
  const plan = await planBoot({
    cpus,
    ...boot.fixtures,
    disks: (boot.disks ?? []).map((name) => disks.path(name)),
    plugs: (boot.plugs ?? []).map(({ disk, when }) => ({ path: disks.path(disk), when })),
    imageDir,
    stateDir,
    accelerator,
    findLoaders,
    reportDir: folder,
    // After a deliberate stop no milestone is awaited.
    until: boot.refusal === undefined ? "login" : boot.milestones.at(-1),
  });

  const ownProgress = labelled(progress, `${scenario.name}/${boot.name}`);
  await using cn = await RunningCn.powerOn(plan, { signal, progress: ownProgress, decideAccelerator });
  const asked = new AskedClaims(signal);
  const asking: Asking = { cn, plan, asked, progress: ownProgress };
  try {
    if (boot.refusal === undefined) await runToLogin(boot, asking);
    else await runToStop(boot, asking);
  } catch (error) {
    asked.firstError ??= error;
  }
  const missed = milestonesOf(boot, plan).filter((name) => !cn.recorder.has(name));
  if (missed.length > 0)
    asked.firstError ??= new ExpectationFailed("TIMED_OUT", `milestones not reached: ${missed.join(", ")}`);
  const report = await cn.end(asked.firstError);
  signal.throwIfAborted();

  return {
    name: boot.name,
    folder,
    claims: [...milestoneClaims(milestonesOf(boot, plan), cn, asked), ...asked.results(titlesOf(boot))],
    report,
  };
}

/**
 * Builds the result of a boot that has no report.
 * @param outcome `broken` for the boot that broke; its claims after the first are `not run`
 */
export function bootWithoutReport(
  boot: ScenarioBoot,
  folder: string,
  outcome: Extract<ClaimOutcome, "broken" | "not run">,
  message: string,
): ScenarioBootResult {
  const titles = [...boot.milestones.map(milestoneTitle), ...titlesOf(boot)];
  const claims = titles.map(
    (title, index): ClaimResult => ({ title, outcome: index === 0 ? outcome : "not run", message, durationMs: 0 }),
  );
  return { name: boot.name, folder, claims, report: undefined };
}

const milestoneTitle = (name: MilestoneName): string => `reaches ${name}`;
const LOGIN_TITLE = "root logs in on the console";
const plugTitle = (disk: string): string => `disk ${disk} is plugged in`;
const endTitle = ({ command, end }: NonNullable<LoginBoot["ending"]>): string => `${command} ends in ${end}`;
const stopTitle = ({ refusal }: RefusedBoot): string => `the boot stops with ${refusal} and stays stopped`;

/** Titles of a boot's claims, then of what the boot itself must do. */
const titlesOf = (boot: ScenarioBoot): string[] => [...boot.claims.map(({ title }) => title), ...ownTitles(boot)];

/** Titles of what the boot itself must do, in addition to its claims. */
function ownTitles(boot: ScenarioBoot): string[] {
  const plugs = (boot.plugs ?? []).map(({ disk }) => plugTitle(disk));
  if (boot.refusal !== undefined) return [...plugs, stopTitle(boot)];
  return [LOGIN_TITLE, ...plugs, ...(boot.ending === undefined ? [] : [endTitle(boot.ending)])];
}

/** What the checks of a boot need. */
interface Asking {
  readonly cn: RunningCn;
  readonly plan: BootPlan;
  readonly asked: AskedClaims;
  readonly progress: Progress;
}

async function runToLogin(boot: LoginBoot, asking: Asking): Promise<void> {
  const { cn, plan, asked, progress } = asking;
  await cn.reach("login");
  await using shell = await asked.ask(LOGIN_TITLE, () => cn.logIn());
  if (shell === undefined) return;
  await askPlugs(boot, asking);
  const subject = { ...seen(cn, plan), run: (command: string) => runChecked(shell, command) };
  await asked.askAll(boot.claims, subject, progress);
  const { ending } = boot;
  if (ending !== undefined) await asked.ask(endTitle(ending), () => cn.endItself(shell, ending));
}

async function runToStop(boot: RefusedBoot, asking: Asking): Promise<void> {
  const { cn, plan, asked, progress } = asking;
  await asked.ask(stopTitle(boot), async () => {
    await cn.stopWith(boot.refusal);
    await cn.expectStaysStopped(STOP_WATCH_MS);
  });
  await askPlugs(boot, asking);
  await asked.askAll(boot.claims, seen(cn, plan), progress);
}

async function askPlugs(boot: ScenarioBoot, { cn, plan, asked }: Asking): Promise<void> {
  for (const [index, { disk, when }] of (boot.plugs ?? []).entries()) {
    await asked.ask(plugTitle(disk), async () => {
      if (cn.plugged.includes(plan.plugs[index]?.disk.path ?? "")) return;
      throw new ExpectationFailed("TIMED_OUT", `no console line matched ${when}`);
    });
  }
}

const seen = (cn: RunningCn, plan: BootPlan): SeenCn => ({
  plan,
  recorder: cn.recorder,
  consoleLines: () => cn.consoleLines(),
  dhcp: () => cn.dhcp,
});

/** The milestones that the boot must reach: those of the scenario that are on the boot's way. */
function milestonesOf({ milestones }: ScenarioBoot, plan: BootPlan): readonly MilestoneName[] {
  const way = milestonesOn(plan);
  return milestones.filter((name) => way.includes(name));
}

function milestoneClaims(milestones: readonly MilestoneName[], cn: RunningCn, asked: AskedClaims): ClaimResult[] {
  const reachedAtMs = new Map(cn.recorder.reached.map(({ name, atMs }) => [name, atMs]));
  return milestones.map((name): ClaimResult => {
    const durationMs = reachedAtMs.get(name) ?? cn.recorder.implierOf(name)?.atMs;
    const title = milestoneTitle(name);
    if (durationMs !== undefined) return { title, outcome: "passed", durationMs };
    return { title, outcome: outcomeOf(asked.firstError), message: asked.why, durationMs: 0 };
  });
}

async function runChecked(shell: CnShell, command: string): Promise<string> {
  const report = await shell.run(command);
  expectSuccess(report);
  return report.stdout.replace(/\n$/, "");
}
