/**
 * Runs `livelab test`, which boots the image, and reads the count from its report.json.
 * What it prints goes straight to the user, for it takes minutes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { formatDuration } from "../../base/format.js";
import type { Outcome } from "./outcome.js";

export interface BootScenariosOptions {
  /** Folder for reports; a report.json of an earlier run is removed first. */
  readonly reportDir: string;
  /** Longest run, in milliseconds, with the image built first if there is none. */
  readonly timeoutMs: number;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/** Time that livelab gets to end its machines after SIGTERM, in milliseconds. */
const GRACE_MS = 20_000;

/** @param program path of cli/main.js. Never rejects for what livelab does. */
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

/** How it ended, in words; "exit status 0" is the good one. */
async function endOf(child: ChildProcess, { timeoutMs, signal }: BootScenariosOptions): Promise<string> {
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, by) => resolve(code === null ? `was ended by ${by}` : `exit status ${code}`));
  });
  const limit = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]);
  const stopped = new Promise<"stopped">((resolve) => {
    if (limit.aborted) resolve("stopped");
    else limit.addEventListener("abort", () => resolve("stopped"), { once: true });
  });
  const first = await Promise.race([ended, stopped]);
  if (first !== "stopped") return first;
  child.kill("SIGTERM");
  await Promise.race([ended, sleep(GRACE_MS, undefined, { ref: false })]);
  child.kill("SIGKILL");
  await ended;
  return signal?.aborted === true ? "was interrupted" : `did not end in ${formatDuration(timeoutMs)}`;
}

const count = z.number().int().nonnegative();

/** What is read of a TestReport (harness/scenarios/scenario-run.ts). */
const reportParts = z.object({
  passed: count,
  failed: count,
  scenarios: z.array(z.object({ name: z.string(), passed: z.boolean() })),
});

/** Undefined when the text is no report. */
function parseReport(text: string): { passed: number; failed: number; failedScenarios: readonly string[] } | undefined {
  try {
    const { passed, failed, scenarios } = reportParts.parse(JSON.parse(text));
    return { passed, failed, failedScenarios: scenarios.filter((one) => !one.passed).map(({ name }) => name) };
  } catch {
    return undefined;
  }
}
