/**
 * `livelab test`: runs scenarios, as many at once as the host bears, and keeps what each proved.
 * Not here: one boot (scenario-boot.ts).
 */
import { rm, writeFile } from "node:fs/promises";
import { availableParallelism, freemem } from "node:os";
import { join } from "node:path";
import { decideOnce } from "../vm/accelerator.js";
import type { Accelerator } from "../vm/machine-spec.js";
import { type Progress, silentProgress } from "../vm/progress.js";
import { DEFAULT_CPUS, DEFAULT_MEMORY_MIB } from "./boot-plan.js";
import { formatScenarioHtml } from "./html-report.js";
import { formatJunit } from "./junit-report.js";
import { makeReportFolder } from "./report-folder.js";
import type { Scenario } from "./scenario.js";
import { runScenarioBoot, type ScenarioBootContext, type ScenarioBootResult } from "./scenario-boot.js";
import { ScenarioDisks } from "./scenario-disks.js";

export interface ScenarioRunOptions {
  /** The platform image; see BootOptions. */
  readonly imageDir: string;
  /** Folder for the reports; the folders of the scenarios that run are replaced. */
  readonly outDir: string;
  readonly stateDir: string;
  /** @default "auto" */
  readonly accelerator?: "auto" | Accelerator | undefined;
  /** Brings the iPXE that firmware loads; see MediumOptions. */
  readonly findLoaders?: (() => Promise<string>) | undefined;
  /** How many scenarios run at once, at least 1. @default parallelScenarios() */
  readonly jobs?: number | undefined;
}

export interface ScenarioRunContext {
  readonly signal: AbortSignal;
  /** @default nobody is told */
  readonly progress?: Progress;
  /** Decides what all machines of the run have. @default decideOnce() */
  readonly decideAccelerator?: ScenarioBootContext["decideAccelerator"];
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

/** What QEMU takes besides the guest's memory, in MiB. */
const QEMU_MIB = 512;

/** How many CNs this host bears at once: one a processor (a boot keeps one busy), as far as its free memory goes. */
const parallelScenarios = (): number =>
  Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / 1024 / 1024 / (DEFAULT_MEMORY_MIB + QEMU_MIB))));

/**
 * Virtual CPUs of each CN when so many run at once: no more than there are processors for it. More of them wait for each
 * other's locks (measured: two CNs on two processors come to their login in 101 s with one each, in 117 s with two).
 */
const cpusOfEach = (jobs: number): number =>
  Math.max(1, Math.min(DEFAULT_CPUS, Math.floor(availableParallelism() / jobs)));

/**
 * Runs them all and writes report.json, junit.xml and index.html into `outDir`.
 * A scenario that fails is a result, not an error.
 * @throws UsageError, VmError, HarnessError when a boot could not even begin
 * @throws the signal's reason when it is aborted
 */
export async function runScenarios(
  scenarios: readonly Scenario[],
  options: ScenarioRunOptions,
  { signal, progress = silentProgress, decideAccelerator = decideOnce() }: ScenarioRunContext,
): Promise<TestReport> {
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  await makeReportFolder(options.outDir);
  const results = await runSideBySide(scenarios, options, { signal, progress, decideAccelerator });
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

/** Results in the order of `scenarios`. The first error ends all that run; it is thrown when they have ended. */
async function runSideBySide(
  scenarios: readonly Scenario[],
  options: ScenarioRunOptions,
  { signal, ...others }: ScenarioBootContext,
): Promise<readonly ScenarioResult[]> {
  const failure = new AbortController();
  const context = { ...others, signal: AbortSignal.any([signal, failure.signal]) };
  const jobs = Math.min(options.jobs ?? parallelScenarios(), scenarios.length);
  const cpus = cpusOfEach(jobs);
  const results = new Map<Scenario, ScenarioResult>();
  // Those with most boots first, so that none of them is begun when the others are done.
  const queue = [...scenarios].sort((a, b) => b.boots.length - a.boots.length).values();
  const work = async (): Promise<void> => {
    for (const scenario of queue) {
      context.signal.throwIfAborted();
      results.set(scenario, await runScenario(scenario, { ...options, cpus }, context));
    }
  };
  await Promise.allSettled(Array.from({ length: jobs }, () => work().catch((error: unknown) => failure.abort(error))));
  context.signal.throwIfAborted();
  return scenarios.map((scenario) => results.get(scenario) as ScenarioResult);
}

async function runScenario(
  scenario: Scenario,
  { outDir, ...options }: ScenarioRunOptions & { readonly cpus: number },
  context: ScenarioBootContext,
): Promise<ScenarioResult> {
  const { name, summary } = scenario;
  const folder = join(outDir, name);
  await rm(folder, { recursive: true, force: true });
  const disks = await ScenarioDisks.create(scenario, folder);
  const boots: ScenarioBootResult[] = [];
  for (const boot of scenario.boots) {
    boots.push(await runScenarioBoot(scenario, boot, { ...options, folder, disks }, context));
  }
  const claims = boots.flatMap((boot) => boot.claims);
  const passed = claims.length > 0 && claims.every(({ outcome }) => outcome === "passed");
  if (passed) await disks.remove();
  return { name, summary, passed, boots };
}
