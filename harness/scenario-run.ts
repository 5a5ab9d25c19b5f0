/**
 * `livelab test`: runs scenarios one after the other and keeps what each proved.
 * Every verdict starts as failed; only a claim that was asked and held is passed.
 */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Accelerator } from "../vm/machine-spec.js";
import { type Progress, silentProgress } from "../vm/progress.js";
import { planBoot } from "./boot-plan.js";
import type { BootReport } from "./boot-report.js";
import { ExpectationFailed } from "./harness-error.js";
import { formatScenarioHtml } from "./html-report.js";
import { formatJunit } from "./junit-report.js";
import { makeReportFolder } from "./report-folder.js";
import { type CnShell, RunningCn } from "./running-cn.js";
import { expectSuccess, type Scenario, type ScenarioBoot } from "./scenario.js";

export interface ScenarioRunOptions {
  /** The platform image; see BootOptions. */
  readonly imageDir: string;
  /** Folder for the reports; the folders of the scenarios that run are replaced. */
  readonly outDir: string;
  readonly stateDir: string;
  /** @default "auto" */
  readonly accelerator?: "auto" | Accelerator | undefined;
}

export interface ScenarioRunContext {
  readonly signal: AbortSignal;
  /** @default nobody is told */
  readonly progress?: Progress;
}

/** `failed`: the guest did not do it; `broken`: livelab or the host could not ask; `not run`: it did not come to that. */
export type ClaimOutcome = "passed" | "failed" | "broken" | "not run";

export interface ClaimResult {
  readonly title: string;
  readonly outcome: ClaimOutcome;
  /** Why, unless it passed. */
  readonly message?: string;
  readonly durationMs: number;
}

export interface ScenarioBootResult {
  readonly name: string;
  readonly folder: string;
  /** Milestones first, then what was asked inside. */
  readonly claims: readonly ClaimResult[];
  readonly report: BootReport;
}

export interface ScenarioResult {
  readonly name: string;
  readonly summary: string;
  readonly passed: boolean;
  readonly boots: readonly ScenarioBootResult[];
}

export const testReportSchema = "livelab-test-report/1";

export interface TestReport {
  readonly schema: typeof testReportSchema;
  readonly startedAt: string;
  readonly durationMs: number;
  /** Whether there were scenarios, and every claim of each holds. */
  readonly ok: boolean;
  /** Number of claims that hold. */
  readonly passed: number;
  /** Number of claims that were not proved: failed, broken, or not run. */
  readonly failed: number;
  readonly scenarios: readonly ScenarioResult[];
}

/**
 * Runs them all and writes report.json, junit.xml and index.html into `outDir`.
 * A scenario that fails is a result, not an error.
 * @throws UsageError, VmError, HarnessError when a boot could not even begin
 * @throws the signal's reason when it is aborted
 */
export async function runScenarios(
  scenarios: readonly Scenario[],
  options: ScenarioRunOptions,
  context: ScenarioRunContext,
): Promise<TestReport> {
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  await makeReportFolder(options.outDir);
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    const boots: ScenarioBootResult[] = [];
    for (const boot of scenario.boots) boots.push(await runBoot(scenario, boot, options, context));
    const claims = boots.flatMap((boot) => boot.claims);
    results.push({
      name: scenario.name,
      summary: scenario.summary,
      passed: claims.length > 0 && claims.every(({ outcome }) => outcome === "passed"),
      boots,
    });
  }
  const claims = results.flatMap(({ boots }) => boots).flatMap((boot) => boot.claims);
  const passed = claims.filter(({ outcome }) => outcome === "passed").length;
  const report: TestReport = {
    schema: testReportSchema,
    startedAt,
    durationMs: performance.now() - startMs,
    ok: results.length > 0 && results.every((result) => result.passed),
    passed,
    failed: claims.length - passed,
    scenarios: results,
  };
  await writeFile(join(options.outDir, "report.json"), `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(join(options.outDir, "junit.xml"), formatJunit(report));
  await writeFile(join(options.outDir, "index.html"), formatScenarioHtml(report, options.outDir));
  return report;
}

async function runBoot(
  scenario: Scenario,
  boot: ScenarioBoot,
  options: ScenarioRunOptions,
  { signal, progress = silentProgress }: ScenarioRunContext,
): Promise<ScenarioBootResult> {
  const folder = join(options.outDir, scenario.name, boot.name);
  await rm(folder, { recursive: true, force: true });
  const { imageDir, stateDir, accelerator } = options;
  const plan = await planBoot({ ...boot.fixtures, imageDir, stateDir, accelerator, reportDir: folder });
  progress.note(`scenario ${scenario.name}, boot ${boot.name}`);

  await using cn = await RunningCn.powerOn(plan, { signal, progress });
  const asked = new Map<string, ClaimResult>();
  let firstError: unknown;
  try {
    await cn.reach(plan.until);
    await using shell = await cn.logIn();
    for (const { title, verify } of boot.claims) {
      const startMs = performance.now();
      const run = (command: string): Promise<string> => runChecked(shell, command);
      const outcome = await attempt(() => verify({ plan, recorder: cn.recorder, run }));
      asked.set(title, { title, ...outcome, durationMs: performance.now() - startMs });
      firstError ??= outcome.error;
      signal.throwIfAborted();
    }
  } catch (error) {
    firstError ??= error;
  }

  const missed = boot.milestones.filter((name) => !cn.recorder.has(name));
  if (missed.length > 0) firstError ??= new ExpectationFailed("TIMED_OUT", `not reached: ${missed.join(", ")}`);
  const report = await cn.end(firstError);
  signal.throwIfAborted();

  const why = firstError instanceof Error ? firstError.message : "";
  const reachedAtMs = new Map(cn.recorder.reached.map(({ name, atMs }) => [name, atMs]));
  return {
    name: boot.name,
    folder,
    claims: [
      ...boot.milestones.map((name): ClaimResult => {
        const durationMs = reachedAtMs.get(name);
        const title = `reaches ${name}`;
        if (durationMs !== undefined) return { title, outcome: "passed", durationMs };
        return { title, outcome: outcomeOf(firstError), message: why, durationMs: 0 };
      }),
      ...boot.claims.map(
        ({ title }): ClaimResult => asked.get(title) ?? { title, outcome: "not run", message: why, durationMs: 0 },
      ),
    ],
    report,
  };
}

async function runChecked(shell: CnShell, command: string): Promise<string> {
  const report = await shell.run(command);
  expectSuccess(report);
  return report.stdout.replace(/\n$/, "");
}

type Attempt =
  | { readonly outcome: "passed"; readonly error?: undefined }
  | { readonly outcome: "failed" | "broken"; readonly message: string; readonly error: unknown };

async function attempt(verify: () => Promise<void>): Promise<Attempt> {
  try {
    await verify();
    return { outcome: "passed" };
  } catch (error) {
    return { outcome: outcomeOf(error), message: error instanceof Error ? error.message : String(error), error };
  }
}

function outcomeOf(error: unknown): "failed" | "broken" {
  return error instanceof ExpectationFailed ? "failed" : "broken";
}
