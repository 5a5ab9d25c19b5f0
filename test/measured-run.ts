/** Runs livelab on a copy of the project and measures it: for the benchmark and the full VM build. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";

export interface MeasuredRun {
  readonly durationMs: number;
  readonly status: number | null;
  /** Peak resident memory of the process itself, in bytes (proc(5), VmHWM). */
  readonly peakBytes: number;
}

const SAMPLE_MS = 250;

/**
 * Runs a program of livelab and passes its output to stderr.
 * @param onText gets its stderr, and may kill it
 * @param before a command with arguments under which the program runs
 */
export async function measuredRun(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  onText: (text: string, kill: () => void) => void = () => {},
  before: readonly string[] = [],
): Promise<MeasuredRun> {
  const started = performance.now();
  const [program, ...words] = [...before, process.execPath, ...args] as [string, ...string[]];
  const child = spawn(program, words, { env: { ...process.env, ...env }, stdio: ["ignore", 2, "pipe"] });
  child.stderr?.on("data", (chunk: Buffer) => {
    process.stderr.write(chunk);
    onText(chunk.toString("utf8"), () => child.kill("SIGKILL"));
  });
  let peakBytes = 0;
  const sampling = setInterval(async () => {
    const text = await readFile(`/proc/${child.pid}/status`, "latin1").catch(() => "");
    peakBytes = Math.max(peakBytes, Number(/^VmHWM:\s*(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024);
  }, SAMPLE_MS);
  const [status] = await once(child, "close");
  clearInterval(sampling);
  return { durationMs: performance.now() - started, status: status as number | null, peakBytes };
}

/** As measuredRun(), for a program that must succeed. @throws Error if it does not */
export async function checkedRun(args: readonly string[], env: Readonly<Record<string, string>>): Promise<MeasuredRun> {
  const run = await measuredRun(args, env);
  if (run.status !== 0) throw new Error(`${args.join(" ")} ended with status ${run.status}`);
  return run;
}

/** Copies the parts of the project that a build needs to another folder, where a proto file can be changed. */
export async function copyProject(root: string, target: string): Promise<void> {
  await mkdir(target);
  for (const part of ["package.json", "setup", "builder", "proto", "harness", "vm", "fixtures", "dist"]) {
    await cp(join(root, part), join(target, part), { recursive: true, verbatimSymlinks: true });
  }
  await symlink(join(root, "node_modules"), join(target, "node_modules"));
}
