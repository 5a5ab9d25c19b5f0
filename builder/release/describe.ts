/** Text that the builder's commands print to stdout. */
import { join } from "node:path";
import { formatBytes, formatDuration } from "../../base/format.js";
import { stages } from "../stages/stages.js";
import { describeSource } from "./git-status.js";
import { type BuildResult, isForBoot } from "./outputs.js";
import type { Release } from "./release.js";

/** Formats rows as a table: each column as wide as its widest cell, two spaces between columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** The stages with their summaries, in order. */
export function describeStages(): string {
  return table(stages.map(({ name, summary }) => [name, summary]));
}

/** Snapshots of stages in the builder VM's pool. */
interface PoolSnapshots {
  readonly stages: readonly { readonly key: string; readonly snapshot: string }[];
}

/** Lists each release with the results of its stages: snapshots of the builder VM's pool, or layers of the sandbox. */
export function describeReleases(releases: readonly Release[], pool: PoolSnapshots): string {
  if (releases.length === 0) return "no releases yet; to make one: livelab build";
  const kept = (machine: Release["machine"], key: string): string =>
    machine === "sandbox"
      ? `layer ${key.slice(0, 12)}`
      : (pool.stages.find((stage) => stage.key === key)?.snapshot ?? "gone from the pool");
  return releases
    .map(({ stamp, profile, machine, stages: run, failedStage }) => {
      const state = failedStage === undefined ? `${run.length} of ${stages.length} stages` : `failed in ${failedStage}`;
      const rows = run.map(({ name, key }) => [`  ${name}`, kept(machine, key)]);
      return [`${stamp}  ${profile}  ${machine}  ${state}`, ...(rows.length > 0 ? [table(rows)] : [])].join("\n");
    })
    .join("\n");
}

/** Summarizes a build: stages with times, outputs with paths and sizes. @param durationMs duration of the whole command */
export function describeBuild(result: BuildResult, durationMs: number): string {
  const { release, outputs, unchanged, gitStatus } = result;
  const lines = [
    table(
      release.stages.map(({ name, reused, durationMs: took }) => [
        name,
        reused ? `reused (took ${formatDuration(took)})` : formatDuration(took),
      ]),
    ),
    "",
  ];
  if (unchanged) lines.push(`nothing has changed since release ${release.stamp}: all its stages are reused`);
  const hasArchives = outputs !== undefined && !isForBoot(outputs.report);
  if (unchanged && hasArchives && release.gitStatus !== undefined && release.gitStatus !== gitStatus) {
    lines.push(
      `its archives name ${describeSource(release.gitStatus)} as their source; the source is now ${describeSource(gitStatus)}`,
      `to update the archives: livelab build -r ${release.stamp} create_tgz ...`,
    );
  }
  if (outputs === undefined) {
    const next = stages[release.stages.length]?.name;
    lines.push(`release ${release.stamp} has completed stage ${release.stages.at(-1)?.name}`);
    if (next !== undefined) lines.push(`to continue: livelab build -r ${release.stamp} ${next} ...`);
  } else {
    lines.push(table(outputs.report.files.map((file) => [join(outputs.folder, file.name), formatBytes(file.bytes)])));
    lines.push(
      "",
      `release ${release.stamp}, ${outputs.report.packages} packages, in ${formatDuration(durationMs)}: ${outputs.folder}`,
    );
    const next = stages[outputs.report.stages.length]?.name;
    if (next !== undefined) lines.push(`to make archives and media too: livelab build -r ${release.stamp} ${next} ...`);
  }
  return lines.join("\n");
}
