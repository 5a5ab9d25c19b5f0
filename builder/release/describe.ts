/** What the builder's commands print: plain text for stdout. */
import { join } from "node:path";
import { formatBytes, formatDuration } from "../../base/format.js";
import { stages } from "../stages/stages.js";
import { describeSource } from "./git-status.js";
import type { BuildResult } from "./outputs.js";
import type { Release } from "./release.js";

/** Columns padded to their widest cell, two spaces apart. */
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

/** The snapshots that stages left in the builder VM's pool. */
interface PoolSnapshots {
  readonly stages: readonly { readonly key: string; readonly snapshot: string }[];
}

/** Each release with what its stages left: snapshots of the builder VM's pool, or layers of the sandbox. */
export function describeReleases(releases: readonly Release[], pool: PoolSnapshots): string {
  if (releases.length === 0) return "no releases yet; `livelab build` makes one";
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

/** What a build did: stages with times, outputs with sizes, where they are. @param durationMs of the whole command */
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
  if (unchanged) lines.push(`nothing has changed since release ${release.stamp}: all of it is reused`);
  if (unchanged && release.gitStatus !== undefined && release.gitStatus !== gitStatus) {
    lines.push(
      `its archives say that they were made from ${describeSource(release.gitStatus)}; here is ${describeSource(gitStatus)}`,
      `to have them say that: livelab build -r ${release.stamp} create_tgz ...`,
    );
  }
  if (outputs === undefined) {
    const next = stages[release.stages.length]?.name;
    lines.push(`release ${release.stamp} has come as far as ${release.stages.at(-1)?.name}`);
    if (next !== undefined) lines.push(`go on: livelab build -r ${release.stamp} ${next} ...`);
  } else {
    lines.push(table(outputs.report.files.map((file) => [join(outputs.folder, file.name), formatBytes(file.bytes)])));
    lines.push(
      "",
      `release ${release.stamp}, ${outputs.report.packages} packages, in ${formatDuration(durationMs)}: ${outputs.folder}`,
    );
  }
  return lines.join("\n");
}
