/**
 * Runs `livelab test`, which boots the image, and reads the count from its report.json.
 * Its output goes directly to the user, because it takes minutes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Outcome } from "./outcome.js";
import { stopAtLimit } from "./stop-at-limit.js";

export interface BootScenariosOptions {
  /** Folder for reports; a report.json of an earlier run is removed first. */
  readonly reportDir: string;
  /** Longest run, in milliseconds, including the build of a missing image. */
  readonly timeoutMs: number;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/** Time for livelab to end its machines after SIGTERM, in milliseconds. */
const GRACE_MS = 20_000;

/** Runs the scenarios. A failure of livelab is an outcome, not an error. @param program path of cli/main.js */
export async function runBootScenarios(program: string, options: BootScenariosOptions): Promise<Outcome> {
  const startedAt = performance.now();
  const reportFile = join(options.reportDir, "report.json");
  await rm(reportFile, { force: true });
  const child = spawn(process.execPath, ["--enable-source-maps", program, "test", "--report", options.reportDir], {
    stdio: ["ignore", "inherit", "inherit"],
    env: options.env,
  });
  const ending = await endOf(child, options);
  const counts = parseReport(await readFile(reportFile, "utf8").catch(() => ""));

  const problems: string[] = [];
  if (ending !== "exit status 0" && (counts === undefined || counts.failed === 0)) problems.push(ending);
  if (counts === undefined) problems.push(`left no report with counts in ${reportFile}`);
  else if (counts.failed > 0) problems.push(`${counts.failed} failed; see ${options.reportDir}`);
  else if (counts.passed === 0) problems.push("ran no scenario");
  if (ending === "exit status 0" && (counts?.failed ?? 0) > 0) problems.push("livelab test ended with exit status 0");
  return {
    name: "livelab test",
    passed: counts?.passed ?? 0,
    failed: Math.max(counts?.failed ?? 0, problems.length > 0 ? 1 : 0),
    problems,
    remarks: [],
    output: "",
    durationMs: performance.now() - startedAt,
    rerun:
      counts === undefined || counts.failedScenarios.length === 0
        ? { command: "npm test --", args: ["--boot"] }
        : { command: "npx livelab test --image out/latest", args: counts.failedScenarios },
  };
}

/** Waits for the end and describes it; "exit status 0" is success. */
async function endOf(child: ChildProcess, limits: BootScenariosOptions): Promise<string> {
  const end = await stopAtLimit(child, (name) => child.kill(name), { ...limits, graceMs: GRACE_MS });
  return "code" in end ? `exit status ${end.code}` : (end.error?.message ?? end.reason);
}

const count = z.number().int().nonnegative();

/** The fields of a TestReport (harness/scenarios/scenario-run.ts) that are used here. */
const reportParts = z.object({
  passed: count,
  failed: count,
  scenarios: z.array(z.object({ name: z.string(), passed: z.boolean() })),
});

/** Parses a report; undefined if the text is not one. */
function parseReport(text: string): { passed: number; failed: number; failedScenarios: readonly string[] } | undefined {
  try {
    const { passed, failed, scenarios } = reportParts.parse(JSON.parse(text));
    return { passed, failed, failedScenarios: scenarios.filter((one) => !one.passed).map(({ name }) => name) };
  } catch {
    return undefined;
  }
}
