/**
 * Runs one file of uvu tests in its own process and checks it from outside, because uvu does not: after a throw in a before
 * hook, and with a suite without .run() or without tests, it exits with status 0; and no test has a time limit.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, readdir, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { TempDir } from "../../base/temp-dir.js";
import { leftProcesses } from "./left-processes.js";
import type { Outcome } from "./outcome.js";
import { statedSkips } from "./skip-test.js";
import { stopAtLimit } from "./stop-at-limit.js";
import { parseUvuFailures, parseUvuSummaries } from "./uvu-summary.js";

export interface TestFileOptions {
  /** Path of the tests' source in the clone; it names the outcome. */
  readonly name: string;
  /** Longest run, in milliseconds. Then the process group gets SIGTERM, and SIGKILL after the grace time. */
  readonly timeoutMs: number;
  /** Time between SIGTERM and SIGKILL, and for a test's processes to end after it, in milliseconds. @default 2_000 */
  readonly graceMs?: number;
  readonly env: NodeJS.ProcessEnv;
  /** Folder for the file's own temp folder, with a short path. @default the temp folder of this host */
  readonly tempParent?: string | undefined;
  /** Ends the run before its limit, e.g. on Ctrl-C. */
  readonly signal?: AbortSignal;
}

/** How much output is kept, in characters: its end, which has the summary and the last failure. */
const OUTPUT_LIMIT = 1_000_000;

/** Longest path of a test's socket below the temp folder, in bytes. */
const TEST_SOCKET_BYTES = 64;

/** Runs a test file. Its failure is an outcome, not an error. @param file path of a JavaScript module */
export async function runTestFile(file: string, options: TestFileOptions): Promise<Outcome> {
  const startedAt = performance.now();
  const { graceMs = 2_000, tempParent } = options;
  await using tempDir =
    tempParent === undefined
      ? await TempDir.createForSockets("test", TEST_SOCKET_BYTES)
      : await TempDir.create("test", tempParent);
  await chmod(tempDir.path, 0o1777); // like /tmp: a test may start programs as another user

  const child = spawn(process.execPath, ["--enable-source-maps", file], {
    detached: true, // its own process group, to end it as a whole
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...options.env, TMPDIR: tempDir.path },
  });
  const group = child.pid ?? 0;
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_LIMIT);
    });
  }

  const ending = await endOf(child, group, { ...options, graceMs });
  const left = await remainsOf(group, tempDir.path, graceMs);
  for (const { pid } of left) killQuietly(pid);
  if (left.length > 0) await remainsOf(group, tempDir.path, graceMs); // SIGKILL takes its time, too
  await drained(child, graceMs);

  const problems = [
    ...ending.problems,
    ...judge(output, ending),
    ...suitesNeverRun(await readFile(file, "utf8").catch(() => "")),
    ...(ending.kind === "stopped" ? [] : left.map(({ pid, command }) => `left process ${pid} running: ${command}`)),
    ...(ending.kind === "stopped"
      ? []
      : (await readdir(tempDir.path)).map((name) => `left ${name} in its temp folder`)),
  ];
  const { total, passed } = parseUvuSummaries(output).at(-1) ?? { total: 0, passed: 0 };
  return {
    name: options.name,
    passed,
    failed: Math.max(total - passed, problems.length > 0 ? 1 : 0),
    problems,
    remarks: statedSkips(output).map((reason) => `skipped ${reason}`),
    output,
    durationMs: performance.now() - startedAt,
    rerun: { command: "npm test --", args: [options.name] },
  };
}

type Ending =
  | { readonly kind: "exited"; readonly code: number; readonly problems: readonly string[] }
  | { readonly kind: "stopped"; readonly problems: readonly string[] };

/** Waits for the end, and ends the process group at the limit. */
async function endOf(
  child: ChildProcess,
  group: number,
  options: TestFileOptions & { graceMs: number },
): Promise<Ending> {
  const end = await stopAtLimit(child, (name) => killQuietly(-group, name), options);
  if ("code" in end) return { kind: "exited", code: end.code, problems: [] };
  return { kind: "stopped", problems: [end.reason] };
}

/** Problems according to the file's own summary. */
function judge(output: string, ending: Ending): string[] {
  const [summary, ...more] = parseUvuSummaries(output);
  if (summary === undefined) {
    if (ending.kind === "stopped") return [];
    return [`printed no summary (exit status ${ending.code}): it ended early, or never called .run()`];
  }
  if (more.length > 0)
    return ["printed more than one summary: call every .run() before the first await that follows one"];
  const problems: string[] = [];
  const missed = summary.total - summary.passed;
  if (summary.total === 0 && summary.skipped === 0) problems.push("ran no test");
  const failures = parseUvuFailures(output).slice(0, missed); // more of them are a test's own output
  problems.push(...failures.map(({ title, message }) => `"${title}": ${message}`));
  const unnamed = missed - failures.length; // a hook that throws ends its suite silently
  if (unnamed > 0) problems.push(`${unnamed} of ${summary.total} tests did not run`);
  if (missed === 0 && ending.kind === "exited" && ending.code !== 0) problems.push(`exit status ${ending.code}`);
  const silent = summary.skipped - statedSkips(output).length;
  if (silent > 0) problems.push(`${silent} skipped without a reason: see test/runner/skip-test.ts`);
  return problems;
}

/** Finds suites in a module's text whose .run() is not called. If one of several is missing, uvu only counts fewer tests. */
function suitesNeverRun(text: string): string[] {
  return [...text.matchAll(/^(?:const|let|var) (\w+) = suite\(/gm)]
    .map(([, name]) => name ?? "")
    .filter((name) => !new RegExp(`^${name}\\.run\\(`, "m").test(text))
    .map((name) => `suite ${name} is never run`);
}

/** Returns the processes that are left after the grace time. */
async function remainsOf(group: number, tempDir: string, graceMs: number) {
  const deadline = performance.now() + graceMs;
  let left = leftProcesses(group, tempDir);
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(50);
    left = leftProcesses(group, tempDir);
  }
  return left;
}

/** Resolves when all output has arrived. */
async function drained(child: ChildProcess, graceMs: number): Promise<void> {
  const ends = [child.stdout, child.stderr].map(
    (stream) => new Promise<void>((resolve) => (stream?.closed === false ? stream.once("close", resolve) : resolve())),
  );
  await Promise.race([Promise.all(ends), sleep(graceMs, undefined, { ref: false })]);
}

function killQuietly(pid: number, signal: NodeJS.Signals = "SIGKILL"): void {
  if (pid === 0) return; // it never started; 0 would mean the runner's own group
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}
