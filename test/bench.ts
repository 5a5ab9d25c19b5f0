/**
 * `npm run bench`: prints the times and sizes that livelab is judged by, measured in one run on this host.
 * With --cold, first a build with an empty LIVELAB_HOME, downloads and ZFS compilation included.
 * It works on a copy of the project in the temp folder, so that it may change a proto file.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, cp, mkdir, readdir, readFile, readlink, symlink } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { table } from "../builder/describe.js";
import type { OutputReport } from "../builder/outputs.js";
import { linkHome } from "../fixtures/toy-stage.js";
import type { BootReport } from "../harness/boot-report.js";
import { formatBytes, formatDuration } from "../vm/format.js";
import { findProjectRoot } from "../vm/project-root.js";
import { TempDir } from "../vm/temp-dir.js";

const root = findProjectRoot();
const rows: string[][] = [["what", "measured", "at most"]];
const row = (what: string, measured: string, bound: string): void => {
  rows.push([what, measured, bound]);
  process.stderr.write(`${what}: ${measured}\n`);
};

interface Run {
  readonly durationMs: number;
  readonly status: number | null;
}

/** Runs a program with its output passed on to stderr. @param onLine sees its stderr */
async function timed(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  onText: (text: string) => void = () => {},
): Promise<Run> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: ["ignore", 2, "pipe"] });
  child.stderr?.on("data", (chunk: Buffer) => {
    process.stderr.write(chunk);
    onText(chunk.toString("utf8"));
  });
  const [status] = await once(child, "close");
  return { durationMs: performance.now() - started, status: status as number | null };
}

async function checked(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Run> {
  const run = await timed(args, env);
  if (run.status !== 0) throw new Error(`${args.join(" ")} ended with status ${run.status}`);
  return run;
}

/** What a build needs of the project, in a folder of our own. */
async function copyProject(target: string): Promise<void> {
  for (const part of ["package.json", "builder", "proto", "harness", "fixtures", "dist"]) {
    await cp(join(root, part), join(target, part), { recursive: true, verbatimSymlinks: true });
  }
  await symlink(join(root, "node_modules"), join(target, "node_modules"));
}

/** Process ids of QEMU machines whose command line names the folder. */
async function qemuOf(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const program = await readlink(`/proc/${pid}/exe`).catch(() => "");
    const words = await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
    if (program.includes("qemu-system") && words.includes(folder)) found.push(Number(pid));
  }
  return found;
}

await using dir = await TempDir.create("bench");
const project = join(dir.path, "project");
await mkdir(project);
await copyProject(project);
const cli = join(project, "dist/cli.js");
const home = join(dir.path, "home");
await mkdir(home);

if (process.argv.includes("--cold")) {
  const { durationMs } = await checked([cli, "build"], { LIVELAB_HOME: home });
  row("cold build, downloads included", formatDuration(durationMs), "12 min");
} else {
  await linkHome(home);
  const { durationMs } = await checked([cli, "build"], { LIVELAB_HOME: home });
  row("build with inputs, base and ZFS modules there", formatDuration(durationMs), "");
}
const env = { LIVELAB_HOME: home };
row("build again, nothing changed", formatDuration((await checked([cli, "build"], env)).durationMs), "10 s");

await appendFile(join(project, "proto/etc/profile.d/triton.sh"), "# changed by the benchmark\n");
row("build after one proto file changed", formatDuration((await checked([cli, "build"], env)).durationMs), "90 s");

const outputs = JSON.parse(await readFile(join(project, "out/latest/build.json"), "utf8")) as OutputReport;
for (const { name, bytes } of outputs.files.filter((file) => !file.name.endsWith(".hash"))) {
  row(name, formatBytes(bytes), name === "filesystem.squashfs" ? "350 MiB" : "");
}
row("packages in the image", String(outputs.packages), "");

const boot = [
  cli,
  "boot",
  "--networking",
  join(root, "fixtures/networking.json"),
  "--node-config",
  join(root, "fixtures/node.config"),
];
const booted = join(dir.path, "boot");
await checked([...boot, "--report", booted], env);
const report = JSON.parse(await readFile(join(booted, "report.json"), "utf8")) as BootReport;
for (const milestone of report.milestones) {
  if (milestone.state === "reached")
    row(`boot to ${milestone.name}`, formatDuration(milestone.atMs), milestone.name === "login" ? "60 s" : "");
}

const broken = join(dir.path, "broken");
let killedAtMs = 0;
await timed([...boot, "--report", broken], env, async (text) => {
  if (killedAtMs > 0 || !/(ipxe-script|kernel-fetch|initrd-fetch|kernel) at /.test(text)) return;
  killedAtMs = performance.now();
  for (const pid of await qemuOf(broken)) process.kill(pid, "SIGKILL");
});
row("QEMU's end to the reported failure", formatDuration(performance.now() - killedAtMs), "2 s");

const unit = await timed([join(root, "dist/test/run.js"), "--unit"], {});
row(`unit tests${unit.status === 0 ? "" : " (some failed)"}`, formatDuration(unit.durationMs), "60 s");

process.stdout.write(
  `${table(rows)}\n\n${availableParallelism()} processors, load ${loadavg()[0]?.toFixed(1)}, accelerator ${report.accelerator.accelerator}: ${report.accelerator.reason}\n`,
);
