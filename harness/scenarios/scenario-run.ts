/**
 * `livelab test`: runs scenarios, as many at once as the host can carry, and collects their results.
 * scenario-boot.ts runs one boot.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { firstError } from "../../base/first-error.js";
import { formatDuration } from "../../base/format.js";
import { freeMemoryBytes, processors } from "../../base/host-capacity.js";
import { LivelabError } from "../../base/livelab-error.js";
import { type Progress, silentProgress } from "../../base/progress/progress.js";
import { decideOnce } from "../../vm/accelerator/accelerator.js";
import type { Accelerator } from "../../vm/machine-spec.js";
import { DEFAULT_CPUS, DEFAULT_MEMORY_MIB } from "../boot/boot-options.js";
import { makeReportFolder } from "../boot/report-folder.js";
import { HarnessError } from "../harness-error.js";
import { describeOutcomes } from "./asked-claims.js";
import type { Scenario } from "./scenario.js";
import {
  bootWithoutReport,
  runScenarioBoot,
  type ScenarioBootContext,
  type ScenarioBootResult,
} from "./scenario-boot.js";
import { ScenarioDisks } from "./scenario-disks.js";

export interface ScenarioRunOptions {
  /** The platform image; see BootOptions. */
  readonly imageDir: string;
  /** Folder for the reports; the folders of the scenarios that run are replaced. */
  readonly outDir: string;
  readonly stateDir: string;
  /** @default "auto" */
  readonly accelerator?: "auto" | Accelerator | undefined;
  /** Provides the iPXE that firmware loads; see MediumOptions. */
  readonly findLoaders?: (() => Promise<string>) | undefined;
  /** How many scenarios run at once, at least 1. @default parallelScenarios() */
  readonly jobs?: number | undefined;
}

export interface ScenarioRunContext {
  readonly signal: AbortSignal;
  /** Writes the report, also the partial one of an aborted run (reports/write-test-report.ts). */
  readonly writeReport: (report: TestReport, outDir: string) => Promise<void>;
  /** @default no progress output */
  readonly progress?: Progress;
  /** Decides how all machines of the run run: with KVM or emulated. @default decideOnce() */
  readonly decideAccelerator?: ScenarioBootContext["decideAccelerator"];
}

export interface ScenarioResult {
  readonly name: string;
  readonly summary: string;
  readonly passed: boolean;
  /** From the first boot's start to the last one's end, in milliseconds. */
  readonly durationMs: number;
  readonly boots: readonly ScenarioBootResult[];
}

export const testReportSchema = "livelab-test-report/1";

export interface TestReport {
  readonly schema: typeof testReportSchema;
  readonly startedAt: string;
  readonly durationMs: number;
  /** Whether at least one scenario ran, and every claim is true. */
  readonly ok: boolean;
  /** Number of claims that are true. */
  readonly passed: number;
  /** Number of claims that were not proved: failed, broken, or not run. */
  readonly failed: number;
  readonly scenarios: readonly ScenarioResult[];
}

/** Memory that QEMU takes in addition to the guest's, in MiB. */
const QEMU_MIB = 512;

/** How many CNs this host can run at once: one per processor (a boot keeps one busy), within the free memory. */
export const parallelScenarios = (cpus = processors(), freeBytes = freeMemoryBytes()): number =>
  Math.max(1, Math.min(cpus, Math.floor(freeBytes / 1024 / 1024 / (DEFAULT_MEMORY_MIB + QEMU_MIB))));

/**
 * Virtual CPUs of each CN when `jobs` run at once: no more than its share of the processors. More virtual CPUs wait for each
 * other's locks (measured: two CNs on two processors reach their login in 101 s with one each, in 117 s with two).
 */
const cpusOfEach = (jobs: number): number => Math.max(1, Math.min(DEFAULT_CPUS, Math.floor(processors() / jobs)));

/**
 * Runs all scenarios, and calls `writeReport` when the last has ended.
 * A scenario that fails is a result, not an error. So is a boot that could not start; the other boots continue.
 * @throws a defect of livelab or of a scenario, and UsageError, VmError, HarnessError when no boot could start; each only after
 * all scenarios have ended and the report is written
 * @throws HarnessError LOG_NOT_WRITABLE when `outDir` cannot be made; what `writeReport` throws
 * @throws the signal's reason when it is aborted; the report then has the results finished before
 */
export async function runScenarios(
  scenarios: readonly Scenario[],
  options: ScenarioRunOptions,
  { signal, writeReport, progress = silentProgress, decideAccelerator = decideOnce() }: ScenarioRunContext,
): Promise<TestReport> {
  const startedAt = new Date().toISOString();
  const startMs = performance.now();
  await makeReportFolder(options.outDir);
  const context = { signal, progress, decideAccelerator };
  const { results, failure } = await runSideBySide(scenarios, options, context);
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
  await writeReport(report, options.outDir);
  signal.throwIfAborted();
  const began = results.some(({ boots }) => boots.some((boot) => boot.report !== undefined));
  if (failure !== undefined && (isDefect(failure) || !began)) throw failure;
  return report;
}

/** @returns the results in the order of `scenarios`, and the first defect, or else the first error, that a boot threw */
async function runSideBySide(
  scenarios: readonly Scenario[],
  options: ScenarioRunOptions,
  context: ScenarioBootContext,
): Promise<{ readonly results: readonly ScenarioResult[]; readonly failure: unknown }> {
  const jobs = Math.min(options.jobs ?? parallelScenarios(), scenarios.length);
  const cpus = cpusOfEach(jobs);
  const results = new Map<Scenario, ScenarioResult>();
  let failure: unknown;
  // The scenarios with most boots first, so that no long one starts when the others are done.
  const queue = [...scenarios].sort((a, b) => b.boots.length - a.boots.length).values();
  const work = async (): Promise<void> => {
    for (const scenario of queue) {
      const onFailure = (error: unknown): void => {
        // A defect takes precedence over an earlier error of another kind.
        if (failure === undefined || (isDefect(error) && !isDefect(failure))) failure = error;
      };
      results.set(scenario, await runScenario(scenario, { ...options, cpus, onFailure }, context));
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return { results: scenarios.map((scenario) => results.get(scenario) as ScenarioResult), failure };
}

type ScenarioOptions = ScenarioRunOptions & {
  readonly cpus: number;
  /** Called with the error of a boot that could not be run. */
  readonly onFailure: (error: unknown) => void;
};

/** Never rejects: the result includes boots that could not be run, and those that an abort left out. */
async function runScenario(
  scenario: Scenario,
  { outDir, onFailure, ...options }: ScenarioOptions,
  context: ScenarioBootContext,
): Promise<ScenarioResult> {
  const { signal, progress } = context;
  const { name, summary } = scenario;
  const folder = join(outDir, name);
  const boots: ScenarioBootResult[] = [];
  const startMs = performance.now();
  let passed = false;
  try {
    signal.throwIfAborted();
    await rm(folder, { recursive: true, force: true });
    const disks = await ScenarioDisks.create(scenario, folder);
    for (const boot of scenario.boots) {
      boots.push(await runScenarioBoot(scenario, boot, { ...options, folder, disks }, context));
    }
    const claims = boots.flatMap((boot) => boot.claims);
    passed = claims.length > 0 && claims.every(({ outcome }) => outcome === "passed");
    if (passed) {
      await disks.remove().catch((error: Error) => progress.note(`${name}: cannot remove its disks: ${error.message}`));
    }
  } catch (thrown) {
    const error = firstError(thrown);
    const [boot, ...further] = scenario.boots.slice(boots.length);
    if (boot === undefined) throw thrown; // nothing was left to run
    const why = signal.aborted ? "the run was interrupted" : describeFailure(error);
    if (!signal.aborted) {
      onFailure(error);
      progress.note(`${name}/${boot.name} could not be run: ${error instanceof LivelabError ? why : stackOf(error)}`);
    }
    const outcome = signal.aborted ? "not run" : "broken";
    boots.push(bootWithoutReport(boot, join(folder, boot.name), outcome, why));
    const before = signal.aborted ? why : `boot ${boot.name} could not be run`;
    boots.push(...further.map((each) => bootWithoutReport(each, join(folder, each.name), "not run", before)));
  }
  const result: ScenarioResult = { name, summary, passed, durationMs: performance.now() - startMs, boots };
  if (!signal.aborted) progress.note(describeScenarioResult(result));
  return result;
}

/** "fresh-cn: passed, 42 claims passed, 0 failed in 2 min 05 s" */
export function describeScenarioResult({ name, passed, durationMs, boots }: ScenarioResult): string {
  const claims = boots.flatMap((boot) => boot.claims);
  return `${name}: ${passed ? "passed" : "failed"}, ${describeOutcomes(claims, "claims ")} in ${formatDuration(durationMs)}`;
}

/** Whether the fault is in livelab or in a scenario: another try, on another host, would fail as well. */
const isDefect = (error: unknown): boolean =>
  !(error instanceof LivelabError) || (error instanceof HarnessError && error.code === "MISUSE");

function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof LivelabError && error.hint !== undefined
    ? `${error.message}; try: ${error.hint}`
    : error.message;
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
