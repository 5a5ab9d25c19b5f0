/**
 * The packages base: kernel, initramfs and root of the builder VM. make-vm-base.sh makes it from the lock sets "base" and
 * "vm" alone, in a machine whose root is the sandbox's base. Its key is a digest of its inputs. A finished base is never
 * changed.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { firstError } from "../../../base/first-error.js";
import { isThere } from "../../../base/is-there.js";
import { isDiskFullError } from "../../../base/no-room.js";
import type { Progress, Step } from "../../../base/progress/progress.js";
import { limitSignal } from "../../../base/wait-at-most.js";
import { BuilderError, overdue } from "../../builder-error.js";
import { Draft } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";
import { claimWork } from "../../home/made-once.js";
import { createTar } from "../../home/tar-stream.js";
import { type Digest, digestOf, formatDigest } from "../../profile/digest.js";
import type { Lock } from "../../profile/lock.js";
import { artifactUrl, packageArtifactKey } from "../../stages/artifacts.js";
import { commonEnvironment, LastLines, runScript, sendFiles } from "../../stages/script-run.js";
import { zfsModules } from "../../stages/stages.js";
import { createGateway } from "../../store/gateway.js";
import type { Store } from "../../store/store.js";
import { NO_RELEASE } from "../builder-machine.js";
import { copyOverSsh } from "../copy-out.js";
import type { RootBuilder } from "../root-builder.js";

/** The files that a builder VM boots. */
export interface VmBase {
  /** Identifies the base: the result of vmBaseKey(). */
  readonly key: string;
  readonly kernel: string;
  readonly initrd: string;
  /** The root file system, a squashfs. */
  readonly root: string;
}

export interface VmBaseRequest {
  readonly home: LivelabHome;
  readonly store: Store;
  readonly lock: Lock;
  /** The result of vmBaseKey(). */
  readonly key: string;
  /** Folder that holds package.json. */
  readonly projectRoot: string;
  /** Starts a machine whose root is the sandbox's base. */
  readonly openRootBuilder: () => Promise<RootBuilder>;
  /** Path of the .deb with the ZFS modules for the kernel of set "vm". */
  readonly modules: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Files of the project that the VM's root is built from, or that it contains; paths relative to the project's folder. */
const VM_FILES = [
  "builder/machines/vm/make-vm-base.sh",
  "builder/machines/vm/vm-initramfs-init.sh",
  "builder/machines/vm/vm-init.sh",
  "builder/channel/serve-ssh.sh",
];
/** Folders in the machine that makes the base. */
const FILES_INSIDE = "/tmp/vm-files";
const MADE_INSIDE = "/tmp/vm-base";
/** Time limit for making the base, in milliseconds; it took 8 s, and 11 min with an emulated root VM on a busy host (measured). */
const LIMIT_MS = 60 * 60_000;

/** Key of the packages base of a lock. @param madeIn digest of the requested cloud image, in which the base is made */
export async function vmBaseKey(
  { lock, projectRoot, stageFolder }: Pick<VmBaseRequest, "lock" | "projectRoot"> & { readonly stageFolder: string },
  madeIn: Digest | undefined,
): Promise<string> {
  const parts: Record<string, string> = madeIn === undefined ? {} : { "made in": formatDigest(madeIn) };
  parts["epoch"] = String(lock.profile.epoch);
  parts["ZFS modules"] = await packageArtifactKey(zfsModules, { lock, stageFolder });
  for (const set of ["base", "vm"]) parts[`set ${set}`] = formatDigest(lock.set(set).digest);
  for (const file of VM_FILES) parts[file] = await readFile(join(projectRoot, file), "utf8");
  return digestOf(parts);
}

/**
 * Makes the base unless it exists.
 * @throws BuilderError BASE_FAILED, HOST_DISK_FULL; StageError STAGE_OUTPUT; errors of openRootBuilder()
 */
export async function ensureVmBase(request: VmBaseRequest): Promise<VmBase> {
  const { home, key, progress } = request;
  const folder = join(home.bases, key);
  if (!(await isThere(folder))) {
    await progress.step("builder VM's root", async (step) => {
      await using _making = await claimWork(home, key, step, request.signal);
      if (await isThere(folder)) return;
      try {
        await using draft = await Draft.begin(folder);
        await mkdir(draft.path);
        await makeBase(request, draft.path, step);
        await draft.commit();
      } catch (error) {
        if (!isDiskFullError(firstError(error))) throw error;
        throw new BuilderError("HOST_DISK_FULL", `no space left for the builder VM's root in ${home.bases}`, {
          hint: "free about 1 GiB there (livelab gc), or set LIVELAB_HOME to a larger disk; then build again",
          cause: error,
        });
      }
    });
  }
  return vmBaseAt(home, key);
}

/** The paths of an existing base. */
export function vmBaseAt(home: LivelabHome, key: string): VmBase {
  const folder = join(home.bases, key);
  return {
    key,
    kernel: join(folder, "vmlinuz"),
    initrd: join(folder, "initrd"),
    root: join(folder, "root.squashfs"),
  };
}

async function makeBase(request: VmBaseRequest, target: string, step: Step): Promise<void> {
  const { lock, store, projectRoot } = request;
  const signal = limitSignal({
    limitMs: LIMIT_MS,
    signal: request.signal,
    onLimit: overdue("making the builder VM's root", LIMIT_MS),
  });
  await using gateway = createGateway(lock, store);
  gateway.serveFile(artifactUrl(zfsModules), request.modules);
  await using rootBuilder = await request.openRootBuilder();
  await sendFiles(rootBuilder, createTar(projectRoot, VM_FILES, lock.profile.epoch), FILES_INSIDE, signal);
  const tail = new LastLines(20);
  const { status } = await runScript(rootBuilder, {
    gateway,
    name: "the builder VM's root",
    words: [`${FILES_INSIDE}/builder/machines/vm/make-vm-base.sh`],
    environment: { ...commonEnvironment(NO_RELEASE, lock), FILES: FILES_INSIDE, OUT: MADE_INSIDE },
    logFile: join(target, "make.log"),
    step,
    tail,
    signal,
  });
  if (status !== 0)
    throw new BuilderError("BASE_FAILED", `making the builder VM's root failed, status ${status}:\n${tail}`);
  await copyOverSsh(rootBuilder.ssh, MADE_INSIDE, target, signal);
}
