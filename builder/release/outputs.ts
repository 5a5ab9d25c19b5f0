/** The outputs of a release: out/<stamp>/ and the link out/latest. */
import { lstat, mkdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { firstError } from "../../base/first-error.js";
import { formatBytes } from "../../base/format.js";
import { isDiskFullError } from "../../base/no-room.js";
import type { Step } from "../../base/progress/progress.js";
import { makeWritableFolder } from "../../base/writable-folder.js";
import { BuilderError } from "../builder-error.js";
import { Draft, sweepDrafts } from "../home/draft.js";
import { limited } from "../home/limit-signal.js";
import { releaseInside } from "../machines/builder-machine.js";
import type { StageContext } from "../stages/stage-run.js";
import { stages } from "../stages/stages.js";
import { type Release, stageRecord } from "./release.js";

/** Digests of all outputs, in the format of sha256sum(1) -c. build.json is left out, because it contains durations. */
export const SUMS = "SHA256SUMS";

/** Contents of out/<stamp>/build.json. */
const outputReport = z.object({
  version: z.literal(1),
  stamp: z.string(),
  profile: z.string(),
  /** Packages in the image. */
  packages: z.number(),
  files: z.array(z.object({ name: z.string(), bytes: z.number(), sha256: z.string() })),
  stages: z.array(stageRecord),
});

export type OutputReport = z.infer<typeof outputReport>;

export interface BuildResult {
  readonly release: Release;
  /** out/<stamp>, if the last stage was among the stages run. */
  readonly outputs: { readonly folder: string; readonly report: OutputReport } | undefined;
  /** True if a release with equal inputs existed, so that no stage had to run. */
  readonly unchanged: boolean;
  /** gitstatus of the source in its present state. */
  readonly gitStatus: string;
}

/** Longest copy of the outputs, in milliseconds. */
const EXPORT_LIMIT_MS = 10 * 60_000;

/** Command that makes the outputs of a release again. */
export const OUTPUTS_REMEDY = "livelab build -r STAMP create_tgz ...";

const outputFolder = (outRoot: string, stamp: string): string => join(outRoot, stamp);
const latestLink = (outRoot: string): string => join(outRoot, "latest");

/** Checks before the build that the outputs can be written after it. @throws BuilderError NOT_WRITABLE */
export async function checkOutputFolder(outRoot: string): Promise<void> {
  try {
    await makeWritableFolder(outRoot);
    await using _trial = await Draft.begin(outputFolder(outRoot, "trial"));
    await assertReplaceable(latestLink(outRoot));
  } catch (cause) {
    if (cause instanceof BuilderError) throw cause;
    throw new BuilderError(
      "NOT_WRITABLE",
      `the output folder ${outRoot} cannot be written: ${(cause as Error).message}`,
      {
        hint: "make it writable, or use another folder: livelab build -o DIR",
        cause,
      },
    );
  }
}

/** @throws BuilderError NOT_WRITABLE for a file or folder of the user, which linkLatest() would replace or fail on */
async function assertReplaceable(link: string): Promise<void> {
  const found = await lstat(link).catch(ignoreAbsence);
  if (found === undefined || found.isSymbolicLink()) return;
  throw new BuilderError("NOT_WRITABLE", `${link} is not a link, so a build cannot point it at its release`, {
    hint: "move it elsewhere, or use another folder: livelab build -o DIR",
  });
}

/** The report of a release's outputs; undefined if they are missing, incomplete, or of another run of its stages. */
export async function findOutputs(outRoot: string, release: Release): Promise<OutputReport | undefined> {
  const folder = outputFolder(outRoot, release.stamp);
  const report = await readOutputReport(folder);
  const keys = (stages: Release["stages"]): string => stages.map(({ key }) => key).join();
  if (report === undefined || keys(report.stages) !== keys(release.stages)) return undefined;
  for (const file of [...report.files, { name: SUMS, bytes: formatSums(report.files).length }]) {
    const found = await stat(join(folder, file.name)).catch(() => undefined);
    if (found?.size !== file.bytes) return undefined;
  }
  return report;
}

const formatSums = (files: OutputReport["files"]): string =>
  files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join("");

/** The report in a folder of outputs; undefined if it is missing or incomplete. */
export async function readOutputReport(folder: string): Promise<OutputReport | undefined> {
  try {
    return outputReport.parse(JSON.parse(await readFile(join(folder, "build.json"), "utf8")));
  } catch {
    return undefined;
  }
}

/** Whether the outputs are only what boots, without archives and media. */
export const isForBoot = (report: OutputReport): boolean => report.stages.length < stages.length;

/** Copies image/ of a release to out/<stamp>/, completely or not at all. */
export async function exportOutputs(
  context: StageContext,
  release: Release,
  outRoot: string,
  step: Step,
): Promise<OutputReport> {
  const folder = outputFolder(outRoot, release.stamp);
  try {
    await sweepDrafts(outRoot);
    await using draft = await Draft.begin(folder);
    const part = draft.path;
    await mkdir(part);
    const stages = release.stages.map(({ key }) => key);
    await using machine = await context.machines.show({ stamp: release.stamp, stages });
    step.status("copying image/");
    const limit = limited(context, EXPORT_LIMIT_MS, "copying the outputs");
    const copied = await machine.copyOut(`${releaseInside(release.stamp)}/image`, part, limit);
    const files = copied
      .map(({ path, bytes, sha256 }) => ({ name: path, bytes, sha256 }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const packages = (await readFile(join(part, "filesystem.packages"), "utf8")).trimEnd().split("\n").length;
    const report: OutputReport = {
      version: 1,
      stamp: release.stamp,
      profile: release.profile,
      packages,
      files,
      stages: release.stages,
    };
    await writeFile(join(part, SUMS), formatSums(files));
    await writeFile(join(part, "build.json"), `${JSON.stringify(report, null, 2)}\n`);
    await rename(folder, join(draft.folder, "old")).catch(ignoreAbsence);
    await draft.commit();
    await linkLatest(outRoot, release.stamp);
    step.result(formatBytes(files.reduce((sum, file) => sum + file.bytes, 0)));
    return report;
  } catch (error) {
    if (isDiskFullError(firstError(error))) {
      throw new BuilderError("HOST_DISK_FULL", `no space left for the outputs in ${outRoot}`, {
        hint: `free about 2 GiB there, then resume: livelab build -r ${release.stamp}`,
        cause: error,
      });
    }
    throw error;
  }
}

function ignoreAbsence(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

/** Points out/latest at a release. A rename replaces the link itself; `ln -sf` would follow it into its folder. */
export async function linkLatest(outRoot: string, stamp: string): Promise<void> {
  await using link = await Draft.begin(latestLink(outRoot));
  await symlink(stamp, link.path);
  await link.commit();
}
