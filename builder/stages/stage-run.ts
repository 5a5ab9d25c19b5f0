/**
 * Runs one stage in one builder machine: starts the machine, connects the gateway, copies the scripts, runs the stage's shell
 * file and keeps its output. build.ts chooses the stages and their order; machines/ stores their output.
 */
import { join } from "node:path";
import { formatBytes } from "../../base/format.js";
import { isDiskFullText } from "../../base/no-room.js";
import type { Progress, Step } from "../../base/progress/progress.js";
import { BuilderError, StageError } from "../builder-error.js";
import { SshError } from "../channel/ssh-connection.js";
import { type LivelabHome, releaseFolder } from "../home/home.js";
import { limited } from "../home/limit-signal.js";
import { type BuilderMachines, releaseInside } from "../machines/builder-machine.js";
import { artifactPath, artifactUrl, hasArtifact, keepArtifact, usableArtifactKey } from "./artifacts.js";
import { streamTree } from "./proto-tree.js";
import { commonEnvironment, LastLines, runScript, type ScriptGateway, STAGES_INSIDE, sendFiles } from "./script-run.js";
import type { KeyMaterial } from "./stage-key.js";
import type { Stage } from "./stages.js";

/** The part of the gateway that a stage needs: it also serves the stage's artifact. */
export interface StageGateway extends ScriptGateway {
  /** Bytes of locked files served so far. */
  readonly servedBytes: number;
  serveFile(path: string, file: string): void;
  /** Answers 404 for `path`. */
  serveAbsence(path: string): void;
}

/** Parameters that all stages of one build share. */
export interface StageContext {
  readonly home: LivelabHome;
  readonly machines: BuilderMachines;
  readonly gateway: StageGateway;
  readonly material: KeyMaterial;
  readonly stamp: string;
  /** Folder of proto/. */
  readonly proto: string;
  readonly signal?: AbortSignal;
  /** Receives one-line messages for the user in addition to the thrown error. */
  readonly progress: Progress;
}

const LINES_SHOWN_ON_FAILURE = 40;

/**
 * Runs a stage on top of the stages `below` (keys, oldest first) and keeps its output under `key`.
 * @param isCurrent called after the stage's files have been read: whether `key` still matches them, because the user may edit
 *   them at any time
 * @returns duration in milliseconds
 * @throws StageError with the last lines of its output; InputError REFUSED if it requested a file that the lock does not name
 */
export async function runStage(
  context: StageContext,
  stage: Stage,
  key: string,
  below: readonly string[],
  step: Step,
  isCurrent: () => Promise<boolean>,
): Promise<number> {
  const { gateway, material, stamp } = context;
  const started = performance.now();
  const logFile = join(releaseFolder(context.home, stamp), "logs", `${stage.name}.log`);
  const tail = new LastLines(LINES_SHOWN_ON_FAILURE);
  const assertCurrent = async (): Promise<void> => {
    if (await isCurrent()) return;
    throw new StageError(
      "INPUTS_CHANGED",
      `files of stage ${stage.name} changed while livelab read them, so its output would match neither state`,
      { hint: `livelab build -r ${stamp}` },
    );
  };

  await using machine = await context.machines.begin({ stamp, stage: stage.name, key, below }, step);
  try {
    const artifactKey = await usableArtifactKey(stage, below, material);
    const artifact =
      stage.artifact && artifactKey !== undefined ? artifactPath(context.home, stage.artifact, artifactKey) : undefined;
    if (stage.artifact !== undefined) {
      const url = artifactUrl(stage.artifact);
      if (artifact !== undefined && (await hasArtifact(artifact))) gateway.serveFile(url, artifact);
      else gateway.serveAbsence(url);
    }
    const limit = limited(context, 60_000, "sending the stages' files");
    await sendFiles(machine, await streamTree(material.stageFolder, material.lock.profile.epoch), STAGES_INSIDE, limit);
    // proto/ is the only input that is still read while a stage runs.
    if (!stage.proto) await assertCurrent();

    const servedBefore = gateway.servedBytes;
    let result: Awaited<ReturnType<typeof runScript>>;
    try {
      result = await runScript(machine, {
        gateway,
        name: stage.name,
        words: [`${STAGES_INSIDE}/${stage.name}.sh`],
        environment: {
          ...commonEnvironment(stamp, material.lock),
          ...stage.environment?.(material.lock),
          ...(stage.source ? { GITSTATUS: material.gitStatus } : {}),
        },
        stdin: stage.proto ? await streamTree(context.proto, material.lock.profile.epoch) : undefined,
        logFile,
        step: {
          status: (line) => {
            const served = gateway.servedBytes - servedBefore;
            const fromStore = served > 0 ? ` (${formatBytes(served)} from the store)` : "";
            step.status(`${line.replace(/^livelab: /, "")}${fromStore}`);
          },
        },
        tail,
        signal: limited(context, stage.limitMinutes * 60_000, `stage ${stage.name}`),
      });
    } catch (error) {
      if (error instanceof BuilderError && error.code === "HOST_DISK_FULL") {
        tail.add(error.message);
        throw stageFailure(stage, "was stopped: No space left on device for its log", tail, logFile, context);
      }
      if (error instanceof SshError && error.code === "CONNECTION_LOST") {
        const byHost = await machine.hostFailure?.();
        if (byHost !== undefined) throw byHost;
        const why = `lost its machine, which ${await machine.whyLost()}`;
        throw stageFailure(stage, why, tail, logFile, context);
      }
      if (error instanceof BuilderError && error.code === "OVERDUE") {
        throw new StageError("STAGE_TIMEOUT", error.message, { hint: `see its output: ${logFile}`, cause: error });
      }
      throw error;
    }
    if (result.killedBy !== undefined)
      throw stageFailure(stage, `was killed by SIG${result.killedBy}`, tail, logFile, context);
    if (result.status !== 0) throw stageFailure(stage, `ended with status ${result.status}`, tail, logFile, context);
    if (stage.proto) await assertCurrent();
    if (artifact !== undefined && stage.artifact !== undefined && !(await hasArtifact(artifact))) {
      await keepArtifact(
        machine.ssh,
        `${releaseInside(stamp)}/${stage.artifact.path}`,
        artifact,
        limited(context, 5 * 60_000, `copying ${stage.artifact.name}`),
      );
    }
  } catch (error) {
    if (context.signal?.aborted) throw error;
    // A failure before or after the stage's own command is not the stage's fault.
    const byHost = error instanceof SshError ? await machine.hostFailure?.() : undefined;
    if (byHost !== undefined) {
      await machine.keepFailed();
      throw byHost;
    }
    const lost = error instanceof SshError && `the builder machine of stage ${stage.name} ${await machine.whyLost()}`;
    await machine.keepFailed().catch((failure: Error) => {
      context.progress.note(`cannot keep the files of stage ${stage.name} for inspection: ${failure.message}`);
    });
    throw lost ? new BuilderError("MACHINE_DIED", lost, { hint: `livelab build -r ${stamp}`, cause: error }) : error;
  }
  const durationMs = performance.now() - started;
  await machine.commit({ stage: stage.name, durationMs });
  return durationMs;
}

function stageFailure(stage: Stage, how: string, tail: LastLines, logFile: string, context: StageContext): StageError {
  const shell = `livelab shell -r ${context.stamp}`;
  const full = [how, ...tail.lines].some(isDiskFullText);
  const text = `stage ${stage.name} ${how}; its last lines:\n${tail}\nall of it: ${logFile}`;
  if (full) {
    // In the VM "no space" refers to the VM's own disks: a full disk of the host ends the machine.
    const inside = context.machines.kind === "vm" && !isDiskFullText(how);
    const disk = inside ? "the builder VM's disk or memory" : `the disk that holds ${context.home.root}`;
    return new StageError("STAGE_DISK_FULL", `${disk} is full: ${text}`, {
      hint: `free some space there (livelab gc), then resume: livelab build -r ${context.stamp}`,
    });
  }
  return new StageError("STAGE_FAILED", text, {
    hint: `inspect the stage's files: ${shell}; after a fix, resume from the first changed stage: livelab build -r ${context.stamp}`,
  });
}
