/**
 * The ZFS modules for the builder VM's kernel: the artifact of stage build_zfs, because VM and image use the same locked kernel
 * (DESIGN D7). They are compiled only if no build has stored them yet, in the machine that makes the base.
 */
import { join } from "node:path";
import type { Progress } from "../../../base/progress/progress.js";
import { limitSignal } from "../../../base/wait-at-most.js";
import { overdue, StageError } from "../../builder-error.js";
import type { LivelabHome } from "../../home/home.js";
import { claimWork } from "../../home/made-once.js";
import type { Lock } from "../../profile/lock.js";
import { artifactPath, hasArtifact, keepArtifact, packageArtifactKey } from "../../stages/artifacts.js";
import { streamTree } from "../../stages/proto-tree.js";
import { commonEnvironment, LastLines, runScript, STAGES_INSIDE, sendFiles } from "../../stages/script-run.js";
import { zfsBuildPackages, zfsModules } from "../../stages/stages.js";
import { createGateway } from "../../store/gateway.js";
import type { Store } from "../../store/store.js";
import { NO_RELEASE } from "../builder-machine.js";
import type { RootBuilder } from "../root-builder.js";
import { lockedKernelVersion } from "./locked-kernel.js";

export interface ZfsModulesRequest {
  readonly home: LivelabHome;
  readonly store: Store;
  readonly lock: Lock;
  /** Folder of the stages' shell files. */
  readonly stageFolder: string;
  /** Starts a machine whose root is the sandbox's base. */
  readonly openRootBuilder: () => Promise<RootBuilder>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Time limit in milliseconds. Compiling took 5 min (measured, 2 processors); an emulated machine needs 20 times that. */
const LIMIT_MS = 180 * 60_000;

/** Compiles the modules unless the store has them. @returns path of the .deb in the store @throws StageError STAGE_FAILED */
export async function ensureZfsModules(request: ZfsModulesRequest): Promise<string> {
  const { home, store, lock, stageFolder, openRootBuilder, progress } = request;
  const key = await packageArtifactKey(zfsModules, { lock, stageFolder });
  const path = artifactPath(home, zfsModules, key);
  if (await hasArtifact(path)) return path;
  const signal = limitSignal({
    limitMs: LIMIT_MS,
    signal: request.signal,
    onLimit: overdue("compiling the builder VM's ZFS modules", LIMIT_MS),
  });
  await progress.step("ZFS modules for the builder VM", async (step) => {
    await using _making = await claimWork(home, key, step, signal);
    if (await hasArtifact(path)) return;
    await using gateway = createGateway(lock, store);
    await using rootBuilder = await openRootBuilder();
    await sendFiles(rootBuilder, await streamTree(stageFolder, lock.profile.epoch), STAGES_INSIDE, signal);
    const file = "/tmp/zfs-modules.deb";
    const logFile = join(home.vm, "zfs-modules.log");
    const tail = new LastLines(20);
    const { status } = await runScript(rootBuilder, {
      gateway,
      name: "the builder VM's ZFS modules",
      words: [`${STAGES_INSIDE}/${zfsModules.script}.sh`, lockedKernelVersion(lock), file],
      environment: { ...commonEnvironment(NO_RELEASE, lock), ZFS_BUILD_PACKAGES: zfsBuildPackages(lock) },
      logFile,
      step,
      tail,
      signal,
    });
    if (status !== 0) {
      throw new StageError(
        "STAGE_FAILED",
        `compiling the builder VM's ZFS modules failed, status ${status}:\n${tail}\nwhole log: ${logFile}`,
      );
    }
    await keepArtifact(rootBuilder.ssh, file, path, signal);
  });
  return path;
}
