/**
 * A build: runs the stages that the command line names, and exports the outputs of the release.
 * stages/stage-run.ts runs one stage; stages/stage-key.ts decides which results can be reused.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { firstError } from "../base/first-error.js";
import { isThere } from "../base/is-there.js";
import { UsageError } from "../base/livelab-error.js";
import { isDiskFullError } from "../base/no-room.js";
import type { BuildContext } from "./build-context.js";
import { BuilderError } from "./builder-error.js";
import { releaseFolder } from "./home/home.js";
import { markInUse } from "./home/home-use.js";
import { claimWork } from "./home/made-once.js";
import { OwnerLock } from "./home/owner.js";
import { removeTree } from "./home/remove-tree.js";
import { assertFreeSpace, freeSpaceHint, RELEASE_BYTES, STAGE_BYTES } from "./home/room.js";
import { parseStamp, stampOf } from "./profile/stamp.js";
import {
  type BuildResult,
  checkOutputFolder,
  exportOutputs,
  findOutputs,
  linkLatest,
  type OutputReport,
} from "./release/outputs.js";
import { findRelease, listReleases, type Release, saveRelease } from "./release/release.js";
import { usableArtifactKey } from "./stages/artifacts.js";
import { describeTree } from "./stages/proto-tree.js";
import { stageKey } from "./stages/stage-key.js";
import { runStage, type StageContext } from "./stages/stage-run.js";
import { type Purpose, parseStageWords, type Stage, stages, stagesFor } from "./stages/stages.js";
import { formatCloudBase } from "./store/cloud-image.js";

export { type Purpose, purposes } from "./stages/stages.js";

export interface BuildRequest {
  /** Stages as on the command line. @default all of the purpose */
  readonly words: readonly string[];
  /** What the outputs are for. @default "all" */
  readonly purpose?: Purpose | undefined;
  /** Stamp of the release to continue. @default a new release */
  readonly release?: string | undefined;
  /** Stamp of the new release. @default the current time */
  readonly newStamp?: string | undefined;
  /** Folder of the outputs. */
  readonly outRoot: string;
  readonly now: Date;
}

/** Index of the first stage that writes files: preflight_check only checks. */
const FIRST_THAT_WRITES = 1;

/**
 * Builds a release, or continues one.
 * @throws UsageError before a stage runs; InputError, StageError, BuilderError from the stages
 */
export async function build(buildContext: BuildContext, request: BuildRequest): Promise<BuildResult> {
  const { gitStatus } = buildContext.material;
  const { purpose = "all" } = request;
  const goal = stagesFor(purpose);
  let chosen = parseStageWords(request.words, purpose);
  const first = chosen[0] as Stage;
  const wantsOutputs = chosen.at(-1) === goal.at(-1);
  if (request.release === undefined && first !== stages[0]) {
    throw new UsageError("STAGE_ORDER", `a new build begins with ${stages[0]?.name}, not with ${first.name}`, {
      hint: `to continue a release: livelab build -r STAMP ${first.name} ...; to list the releases: livelab releases`,
    });
  }
  await markInUse(buildContext.home); // before any lookup, so that gc cannot remove what it finds
  let old = request.release === undefined ? undefined : await findRelease(buildContext.home, request.release);
  if (old !== undefined) await assertReached(buildContext, old, first);
  if (wantsOutputs) await checkOutputFolder(request.outRoot);

  if (old === undefined && request.newStamp === undefined && chosen.length === goal.length) {
    const releases = (await listReleases(buildContext.home)).reverse();
    const equal = await findEqualRelease(buildContext, releases, goal);
    if (equal !== undefined) {
      return { ...(await reuseRelease(buildContext, equal, goal, request.outRoot)), unchanged: true, gitStatus };
    }
    const forBoot = releases.filter((release) => release.purpose === "boot");
    old = await findEqualRelease(buildContext, forBoot, stagesFor("boot"));
    if (old !== undefined) chosen = stages.slice(old.stages.length);
  }

  const stamp = old?.stamp ?? (await claimStamp(buildContext, request));
  try {
    await using _lock = await OwnerLock.take(join(releaseFolder(buildContext.home, stamp), "lock"), `release ${stamp}`);
    // Read the record again under the lock: another process may have continued the release meanwhile.
    const current = old && (await findRelease(buildContext.home, stamp));
    if (current !== undefined) await assertReached(buildContext, current, chosen[0] as Stage);
    await using gateway = buildContext.createGateway();
    const context = await buildContext.ready(stamp, gateway);
    const release = await runStages(buildContext, context, { chosen, purpose, old: current, stamp });
    const report = wantsOutputs ? await exportWithStep(buildContext, context, release, request.outRoot) : undefined;
    return {
      release,
      outputs: report && { folder: join(request.outRoot, stamp), report },
      unchanged: false,
      gitStatus,
    };
  } catch (error) {
    const first = firstError(error);
    throw isDiskFullError(first) ? diskFull(buildContext, stamp, first) : error;
  } finally {
    if (old === undefined) await dropUnbegun(buildContext, stamp);
  }
}

function diskFull(buildContext: BuildContext, stamp: string, cause: unknown): BuilderError {
  return new BuilderError(
    "HOST_DISK_FULL",
    `the disk that holds ${buildContext.home.root} is full: ${(cause as Error).message}`,
    {
      hint: freeSpaceHint(stamp),
      cause,
    },
  );
}

/** Removes the folder of a release that completed no stage. */
async function dropUnbegun(buildContext: BuildContext, stamp: string): Promise<void> {
  const folder = releaseFolder(buildContext.home, stamp);
  if (!(await isThere(join(folder, "release.json")))) {
    await removeTree(folder, buildContext.options.asRoot).catch((failure: Error) => {
      buildContext.options.progress.note(`cannot remove ${folder}: ${failure.message}`);
    });
  }
}

interface StageRun {
  readonly chosen: readonly Stage[];
  readonly purpose: Purpose;
  /** The release to continue. */
  readonly old: Release | undefined;
  readonly stamp: string;
}

/** Runs or reuses the stages one after the other. Saves the record after each, so that a killed build can be continued. */
async function runStages(
  buildContext: BuildContext,
  context: StageContext,
  { chosen, purpose, old, stamp }: StageRun,
): Promise<Release> {
  const { home, material, options } = buildContext;
  await mkdir(join(releaseFolder(home, stamp), "logs"), { recursive: true });
  const kept = (old?.stages ?? [])
    .slice(0, stages.indexOf(chosen[0] as Stage))
    .map((record) => ({ ...record, reused: true }));
  const { cloudBase } = buildContext.options;
  let release: Release = {
    version: 1,
    stamp,
    profile: buildContext.lock.profile.name,
    machine: buildContext.machines.kind,
    ...(cloudBase === undefined ? {} : { base: formatCloudBase(cloudBase) }),
    ...(purpose === "boot" ? { purpose } : {}),
    stages: kept,
    ...(options.compression === undefined ? {} : { compression: options.compression }),
    ...(old?.gitStatus === undefined ? {} : { gitStatus: old.gitStatus }),
  };
  for (const stage of chosen) {
    const below = release.stages.map((record) => record.key);
    const key = await stageKey(stage, below.at(-1), stamp, material);
    const record = await options.progress.step(stage.name, async (step) => {
      // Stages with different keys may make the same artifact.
      const claimed = (await usableArtifactKey(stage, below, material)) ?? key;
      await using _making = await claimWork(home, claimed, step, options.signal);
      const found = await buildContext.machines.find(key);
      if (found !== undefined) {
        step.result("reused");
        return { name: stage.name, key, reused: true, durationMs: found.durationMs };
      }
      await assertFreeSpace(home.root, stages.indexOf(stage) <= FIRST_THAT_WRITES ? RELEASE_BYTES : STAGE_BYTES, stamp);
      try {
        const durationMs = await runStage(context, stage, key, below, step, async () => {
          const proto = await describeTree(context.proto);
          return key === (await stageKey(stage, below.at(-1), stamp, { ...material, proto }));
        });
        return { name: stage.name, key, reused: false, durationMs };
      } catch (error) {
        if (options.signal.aborted) {
          options.progress.note(
            below.length === 0 ? "interrupted" : `interrupted; to continue: livelab build -r ${stamp}`,
          );
        } else {
          await saveRelease(home, { ...release, failedStage: stage.name }).catch((failure: Error) => {
            options.progress.note(`cannot record the failure of stage ${stage.name}: ${failure.message}`);
          });
        }
        throw error;
      }
    });
    release = {
      ...release,
      stages: [...release.stages, record],
      ...(stage.source ? { gitStatus: material.gitStatus } : {}),
    };
    await saveRelease(home, release);
  }
  return release;
}

/**
 * The first of the releases that has all stages of the goal, with the keys that they would have now. The commit is not
 * compared: a commit that does not change the image needs no new release. The archives of the old release still name the
 * source that they were made from.
 */
async function findEqualRelease(
  buildContext: BuildContext,
  releases: readonly Release[],
  goal: readonly Stage[],
): Promise<Release | undefined> {
  for (const release of releases) {
    if (release.profile !== buildContext.lock.profile.name || release.machine !== buildContext.machines.kind) continue;
    if (release.stages.length < goal.length) continue;
    const material = { ...buildContext.material, gitStatus: release.gitStatus ?? buildContext.material.gitStatus };
    let before: string | undefined;
    let equal = true;
    for (const [index, stage] of goal.entries()) {
      before = await stageKey(stage, before, release.stamp, material);
      equal = release.stages[index]?.key === before && (await buildContext.machines.find(before)) !== undefined;
      if (!equal) break;
    }
    if (equal) return release;
  }
  return undefined;
}

async function reuseRelease(
  buildContext: BuildContext,
  found: Release,
  goal: readonly Stage[],
  outRoot: string,
): Promise<Pick<BuildResult, "release" | "outputs">> {
  const release = { ...found, stages: found.stages.map((stage) => ({ ...stage, reused: true })) };
  const folder = join(outRoot, release.stamp);
  const wanted = { ...release, stages: release.stages.slice(0, goal.length) };
  const there = (await findOutputs(outRoot, found)) ?? (await findOutputs(outRoot, wanted));
  if (there !== undefined) {
    await linkLatest(outRoot, release.stamp);
    return { release, outputs: { folder, report: there } };
  }
  await using gateway = buildContext.createGateway();
  const context = await buildContext.ready(release.stamp, gateway);
  return { release, outputs: { folder, report: await exportWithStep(buildContext, context, wanted, outRoot) } };
}

const exportWithStep = (
  buildContext: BuildContext,
  context: StageContext,
  release: Release,
  outRoot: string,
): Promise<OutputReport> =>
  buildContext.options.progress.step(`outputs to ${join(outRoot, release.stamp)}`, (step) =>
    exportOutputs(context, release, outRoot, step),
  );

/** @throws UsageError STAGE_ORDER if the release has not completed all stages before `first`; BuilderError LAYER_GONE */
async function assertReached(buildContext: BuildContext, release: Release, first: Stage): Promise<void> {
  const index = stages.indexOf(first);
  if (release.stages.length < index) {
    const next = stages[release.stages.length]?.name;
    throw new UsageError(
      "STAGE_ORDER",
      `release ${release.stamp} has not reached stage ${first.name}: its next stage is ${next}`,
      { hint: `run the stages before it first: livelab build -r ${release.stamp} ${next} ...` },
    );
  }
  for (const { name, key } of release.stages.slice(0, index)) {
    if ((await buildContext.machines.find(key)) !== undefined) continue;
    throw new BuilderError(
      "LAYER_GONE",
      `the result of stage ${name} of release ${release.stamp} is no longer in ${buildContext.home.root}`,
      {
        hint: `build the release again from the first stage: livelab build -r ${release.stamp}`,
      },
    );
  }
}

/** Makes the folder of a new release: with the requested stamp, or with the next free one from the current time on. */
async function claimStamp(buildContext: BuildContext, request: BuildRequest): Promise<string> {
  const claim = (stamp: string): Promise<boolean> =>
    mkdir(releaseFolder(buildContext.home, stamp)).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EEXIST") return false;
        throw isDiskFullError(error) ? diskFull(buildContext, stamp, error) : error;
      },
    );
  if (request.newStamp !== undefined) {
    const stamp = parseStamp(request.newStamp);
    if (await claim(stamp)) return stamp;
    throw new UsageError("STAMP_TAKEN", `release ${stamp} exists already`, {
      hint: `continue it: livelab build -r ${stamp}`,
    });
  }
  for (let time = request.now.getTime(); ; time += 1000) {
    const stamp = stampOf(new Date(time));
    if (await claim(stamp)) return stamp;
  }
}
