/**
 * `npm run bench`: prints the times and sizes that livelab must keep, measured in one run on this host.
 * With --cold, it first builds with an empty LIVELAB_HOME, including downloads and the compilation of ZFS.
 * It works on a copy of the project in the temp folder, because it changes a proto file.
 */
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { formatBytes, formatDuration } from "../base/format.js";
import { watchOutput } from "../base/lost-output.js";
import { findProjectRoot } from "../base/project-root.js";
import { TempDir } from "../base/temp-dir.js";
import { table } from "../builder/release/describe.js";
import type { OutputReport } from "../builder/release/outputs.js";
import { qemuOf } from "../fixtures/qemu-processes.js";
import { linkHome } from "../fixtures/toy-stage.js";
import type { BootReport } from "../harness/boot/boot-report.js";
import { measureVmStarts } from "./measure-vm-starts.js";
import { checkedRun, copyProject, measuredRun } from "./measured-run.js";
import { useTestTools } from "./runner/test-tools.js";

const root = findProjectRoot();
const rows: string[][] = [["what", "measured", "at most"]];
const row = (what: string, measured: string, bound: string): void => {
  rows.push([what, measured, bound]);
  process.stderr.write(`${what}: ${measured}\n`);
};

watchOutput({ program: "bench" });
await useTestTools();
await using dir = await TempDir.create("bench");
const project = join(dir.path, "project");
await copyProject(root, project);
const cli = join(project, "dist/cli/main.js");
const home = join(dir.path, "home");
await mkdir(home);

if (process.argv.includes("--cold")) {
  const { durationMs } = await checkedRun([cli, "build"], { LIVELAB_HOME: home });
  row("cold build, downloads included", formatDuration(durationMs), "12 min");
} else {
  await linkHome(home);
  const { durationMs } = await checkedRun([cli, "build"], { LIVELAB_HOME: home });
  row("build with inputs, base and ZFS modules present", formatDuration(durationMs), "");
}
const env = { LIVELAB_HOME: home };
row("build again, nothing changed", formatDuration((await checkedRun([cli, "build"], env)).durationMs), "10 s");

await appendFile(join(project, "proto/etc/profile.d/triton.sh"), "# changed by the benchmark\n");
row("build after one proto file changed", formatDuration((await checkedRun([cli, "build"], env)).durationMs), "90 s");

const starts = await measureVmStarts(home, dir.path);
row("boot of the builder VM to a command by SSH", formatDuration(starts.bootMs), "20 s");
row("warm start of the builder VM to a command by SSH", formatDuration(starts.warmMs), "2 s");

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
await checkedRun([...boot, "--report", booted], env);
const report = JSON.parse(await readFile(join(booted, "report.json"), "utf8")) as BootReport;
for (const milestone of report.milestones) {
  if (milestone.state === "reached")
    row(`boot to ${milestone.name}`, formatDuration(milestone.atMs), milestone.name === "login" ? "60 s" : "");
}

const broken = join(dir.path, "broken");
let killedAtMs = 0;
await measuredRun([...boot, "--report", broken], env, async (text) => {
  if (killedAtMs > 0 || !/(ipxe-script|kernel-fetch|initrd-fetch|kernel) at /.test(text)) return;
  killedAtMs = performance.now();
  for (const pid of await qemuOf(broken)) process.kill(pid, "SIGKILL");
});
row("QEMU's end to the reported failure", formatDuration(performance.now() - killedAtMs), "2 s");

const unit = await measuredRun([join(root, "dist/test/run.js"), "--unit"], {});
row(`unit tests${unit.status === 0 ? "" : " (some failed)"}`, formatDuration(unit.durationMs), "60 s");

process.stdout.write(
  `${table(rows)}\n\n${availableParallelism()} processors, load ${loadavg()[0]?.toFixed(1)}, accelerator ${report.accelerator.accelerator}: ${report.accelerator.reason}\n`,
);
