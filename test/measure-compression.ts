/**
 * `npm run bench:compression`: measures each compression of the squashfs: size, time to build and to boot, memory in use.
 * It builds and boots the image with each of them, in a copy of the project: half an hour with emulated guests, 12 GB.
 * To measure only some: `npm run bench:compression -- gzip:9 xz`.
 */
import { mkdir, readFile } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { formatBytes, formatDuration } from "../base/format.js";
import { watchOutput } from "../base/lost-output.js";
import { findProjectRoot } from "../base/project-root.js";
import { TempDir } from "../base/temp-dir.js";
import { table } from "../builder/release/describe.js";
import type { OutputReport } from "../builder/release/outputs.js";
import { linkHome } from "../fixtures/toy-stage.js";
import type { BootReport } from "../harness/boot/boot-report.js";
import { checkedRun, copyProject } from "./measured-run.js";
import { useTestTools } from "./runner/test-tools.js";

/** As for `livelab build --compression`. */
const named = process.argv.slice(2);
const compressions = named.length > 0 ? named : ["gzip:1", "gzip:9", "xz", "zstd:1", "zstd:3", "zstd:9", "zstd:19"];

watchOutput({ program: "compression" });
await useTestTools();
await using dir = await TempDir.create("compression");
const project = join(dir.path, "project");
await copyProject(findProjectRoot(), project);
const cli = join(project, "dist/cli/main.js");
const fixture = (name: string): string => join(project, "fixtures", name);
const home = join(dir.path, "home");
await mkdir(home);
await linkHome(home);
const env = { LIVELAB_HOME: home };
const rows = [
  ["compression", "squashfs", "made in", "boot to live-boot-fetch", "boot to login", "memory in use at login"],
];
for (const compression of compressions) {
  const out = join(dir.path, compression.replace(":", "-"));
  await checkedRun([cli, "build", "--machine", "sandbox", "--compression", compression, "-o", out], env);
  const { files, stages } = JSON.parse(await readFile(join(out, "latest/build.json"), "utf8")) as OutputReport;
  const report = join(dir.path, `boot-${compression.replace(":", "-")}`);
  const fixtures = ["--networking", fixture("networking.json"), "--node-config", fixture("node.config")];
  await checkedRun(
    [cli, "boot", join(out, "latest"), ...fixtures, "--run", "cat /proc/meminfo", "--report", report],
    env,
  );
  const boot = JSON.parse(await readFile(join(report, "report.json"), "utf8")) as BootReport;
  const at = (name: string): string => {
    const milestone = boot.milestones.find((each) => each.name === name);
    return milestone?.state === "reached" ? formatDuration(milestone.atMs) : "not reached";
  };
  const memory = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(boot.commands[0]?.stdout ?? "")?.[1]) * 1024;
  rows.push([
    compression,
    formatBytes(files.find(({ name }) => name === "filesystem.squashfs")?.bytes ?? 0),
    formatDuration(stages.find(({ name }) => name === "prepare_archive_bits")?.durationMs ?? 0),
    at("live-boot-fetch"),
    at("login"),
    formatBytes(memory("MemTotal") - memory("MemAvailable")),
  ]);
  process.stderr.write(`${rows.at(-1)?.join("  ")}\n`);
}
process.stdout.write(`${table(rows)}\n\n${availableParallelism()} processors, load ${loadavg()[0]?.toFixed(1)}\n`);
