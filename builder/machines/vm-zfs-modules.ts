/**
 * The ZFS modules for the builder VM's kernel: the artifact of stage build_zfs, for both run the locked kernel (DESIGN D7).
 * Compiled here only where no build has made them yet, in whatever machine makes the base.
 */
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { quoteWord } from "../../vm/command-line.js";
import type { Progress } from "../../vm/progress.js";
import { GATEWAY_PORT } from "../../vm/sshd-config.js";
import { artifactPath, hasArtifact, keepArtifact } from "../artifacts.js";
import { StageError } from "../builder-error.js";
import type { LivelabHome } from "../home.js";
import { createGateway } from "../inputs/gateway.js";
import type { Lock } from "../inputs/lock.js";
import type { Store } from "../inputs/store.js";
import { limitSignal } from "../limit-signal.js";
import { lineSink } from "../line-sink.js";
import { commonEnvironment, sendStageFiles } from "../stage-run.js";
import { zfsBuildPackages, zfsModules } from "../stages.js";
import type { Maker } from "./maker.js";

export interface ZfsModulesRequest {
  readonly home: LivelabHome;
  readonly store: Store;
  readonly lock: Lock;
  /** Folder of the stages' shell files. */
  readonly stageFolder: string;
  /** Starts a machine whose root is the sandbox's base. */
  readonly openMaker: () => Promise<Maker>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** It took 5 min (measured, 2 processors); an emulated machine takes 20 times that. */
const LIMIT_MS = 180 * 60_000;

/** Finds the modules or compiles them. @returns path of the .deb in the store @throws StageError STAGE_FAILED */
export async function ensureZfsModules(request: ZfsModulesRequest): Promise<string> {
  const { home, store, lock, stageFolder, openMaker, progress } = request;
  const path = await artifactPath(home, zfsModules, { lock, stageFolder });
  if (await hasArtifact(path)) return path;
  const signal = limitSignal(request.signal, LIMIT_MS, "compiling the builder VM's ZFS modules");
  await progress.step("ZFS modules for the builder VM", async (step) => {
    await using gateway = createGateway(lock, store);
    gateway.stage = "the builder VM's ZFS modules";
    await using maker = await openMaker();
    await maker.ssh.forwardFrom(GATEWAY_PORT, (stream) => gateway.accept(stream));
    await sendStageFiles(maker, { lock, stageFolder }, signal);
    const environment = { ...commonEnvironment("none", lock), ZFS_BUILD_PACKAGES: zfsBuildPackages(lock) };
    const words = Object.entries(environment).map(([name, value]) => quoteWord(`${name}=${value}`));
    const file = "/tmp/zfs-modules.deb";
    const logFile = join(home.vm, "zfs-modules.log");
    const tail: string[] = [];
    const output = lineSink(createWriteStream(logFile), (line) => {
      tail.push(line);
      if (tail.length > 20) tail.shift();
      step.status(line);
    });
    const script = `/run/stages/${zfsModules.script}.sh`;
    const made = await maker.ssh.exec(
      `exec env -i ${words.join(" ")} sh ${script} ${quoteWord(kernelOf(lock))} ${file} 2>&1`,
      { stdout: output, signal },
    );
    output.end();
    gateway.throwIfRefused();
    if (made.status !== 0) {
      throw new StageError(
        "STAGE_FAILED",
        `the builder VM's ZFS modules could not be compiled, status ${made.status}:\n${tail.map((line) => `  | ${line}`).join("\n")}\nall of it: ${logFile}`,
      );
    }
    await keepArtifact(maker.ssh, file, path, signal);
  });
  return path;
}

/** Version of the kernel in set "vm", as `uname -r` says it. */
function kernelOf(lock: Lock): string {
  const name = lock.set("vm").packages.find((deb) => /^linux-image-\d/.test(deb.name))?.name;
  if (name === undefined) throw new Error("set vm without a kernel");
  return name.slice("linux-image-".length);
}
