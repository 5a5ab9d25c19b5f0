/**
 * Stages in the builder VM: each stage runs in its own machine, and a ZFS snapshot of the release's dataset on the second
 * disk keeps the files that it writes (DESIGN D7). Only one machine at a time uses the disk. pool.sh manages the pool inside.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { DisposableStack } from "../../../base/disposable-stack.js";
import { firstError } from "../../../base/first-error.js";
import { isThere } from "../../../base/is-there.js";
import { LivelabError } from "../../../base/livelab-error.js";
import type { Progress, Step } from "../../../base/progress/progress.js";
import { limitSignal } from "../../../base/wait-at-most.js";
import {
  type AcceleratorRequest,
  type AcceleratorVerdict,
  decideAccelerator,
  dropKvmVerdict,
} from "../../../vm/accelerator/accelerator.js";
import { isKvmFailure } from "../../../vm/accelerator/kvm-failure.js";
import { BuilderError, overdue } from "../../builder-error.js";
import type { LivelabHome } from "../../home/home.js";
import { OwnerLock } from "../../home/owner.js";
import type { Lock } from "../../profile/lock.js";
import { type CloudImageSource, fetchCloudImage } from "../../store/cloud-image.js";
import type { ProxySettings } from "../../store/http-get.js";
import type { Store } from "../../store/store.js";
import {
  type BuilderMachine,
  type BuilderMachines,
  type KeptRelease,
  NO_RELEASE,
  type ReleaseView,
  type StageMachine,
  type StagePlace,
  type StageResult,
} from "../builder-machine.js";
import { openCloudRootBuilder } from "../cloud/cloud-root-builder.js";
import type { RootBuilder } from "../root-builder.js";
import { findLockedKernel } from "./locked-kernel.js";
import { parsePoolStages, poolRecordFile, readPoolRecord, savePoolRecord } from "./pool-record.js";
import { openRootVm } from "./root-vm.js";
import { BuilderVm, type VmOptions } from "./vm.js";
import { ensureVmBase, type VmBase, vmBaseAt, vmBaseKey } from "./vm-base.js";
import { makePoolDisk } from "./vm-disk.js";
import { ensureZfsModules } from "./vm-zfs-modules.js";

export interface VmStagesOptions {
  readonly home: LivelabHome;
  readonly store: Store;
  readonly lock: Lock;
  /** The sandbox, which makes the packages base if the host allows it. */
  readonly sandbox: BuilderMachines;
  /** A cloud image that makes the packages base instead of the sandbox. */
  readonly cloudBase: CloudImageSource | undefined;
  readonly proxy: ProxySettings;
  /** Folder that holds package.json. */
  readonly projectRoot: string;
  /** Folder of the stages' shell files. */
  readonly stageFolder: string;
  readonly accelerator: AcceleratorRequest["preference"];
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Exit status of pool.sh if the snapshot of a stage is missing. */
const NOT_THERE = 3;
/** Time limit for one command of pool.sh, in milliseconds with KVM; emulated they took 2 s (measured). */
const POOL_LIMIT_MS = 60_000;
/** Time limit for destroying releases and returning their space to the host, in milliseconds with KVM. */
const DROP_LIMIT_MS = 10 * 60_000;
/** Time limit for exporting the pool when a machine ends, in milliseconds with KVM. Without the export no data is lost. */
const CLOSE_LIMIT_MS = 5_000;

/** This process's locks of disks, by path. Each round of livelab watch has its own VmStages, which must not exclude the next. */
const locks = new Map<string, Promise<OwnerLock>>();

export class VmStages implements BuilderMachines {
  readonly kind = "vm";
  readonly baseKey: string;
  readonly #options: VmStagesOptions;
  readonly #recordFile: string;
  readonly #disk: string;
  #ready: { readonly base: VmBase; readonly verdict: AcceleratorVerdict; readonly poolScript: string } | undefined;

  private constructor(options: VmStagesOptions, baseKey: string) {
    this.#options = options;
    this.baseKey = baseKey;
    this.#recordFile = poolRecordFile(options.home);
    this.#disk = join(options.home.vm, "pool.raw");
  }

  static async open(options: VmStagesOptions): Promise<VmStages> {
    return new VmStages(options, await vmBaseKey(options, options.cloudBase?.digest));
  }

  /** The scale of the accelerator's verdict; 1 before ready(). */
  get timeScale(): number {
    return this.#ready?.verdict.timeScale ?? 1;
  }

  /** The record of the stage's snapshot. */
  async find(key: string): Promise<StageResult | undefined> {
    if (!(await isThere(this.#disk))) return undefined;
    const found = (await readPoolRecord(this.#recordFile)).stages.find((stage) => stage.key === key);
    return found && { stage: stageOf(found.snapshot), durationMs: found.durationMs };
  }

  /** Makes the packages base, and the ZFS modules for it, unless they exist. */
  async #ensureBase(): Promise<VmBase> {
    const { cloudBase } = this.#options;
    const openRootBuilder = (): Promise<RootBuilder> => this.#openRootBuilder();
    // Make the modules even if the base exists: stage build_zfs needs them, and must not compile them in an emulated machine.
    const modules = await ensureZfsModules({ ...this.#options, openRootBuilder });
    return ensureVmBase({
      ...this.#options,
      key: this.baseKey,
      openRootBuilder: cloudBase === undefined ? openRootBuilder : () => this.#openCloudRootBuilder(cloudBase),
      modules,
    });
  }

  /** Opens the sandbox, or the root VM if the host refuses the sandbox. */
  async #openRootBuilder(): Promise<RootBuilder> {
    const { sandbox, progress } = this.#options;
    try {
      await sandbox.ready();
    } catch (error) {
      if (!(error instanceof BuilderError && error.code === "NO_NAMESPACES")) throw error;
      progress.note(`making the builder VM's root in a VM, because ${error.message}`);
      return openRootVm({ ...this.#options, verdict: await this.#judgeAccelerator() });
    }
    return sandbox.show({ stamp: NO_RELEASE, stages: [] });
  }

  async #openCloudRootBuilder(source: CloudImageSource): Promise<RootBuilder> {
    const { home, lock, projectRoot } = this.#options;
    const image = await fetchCloudImage(source, this.#options);
    return openCloudRootBuilder({
      ...this.#options,
      image,
      set: lock.set("base"),
      scripts: join(projectRoot, "builder/machines"),
      verdict: await this.#judgeAccelerator(),
    }).catch(async (error) => {
      if (isKvmFailure(error)) await dropKvmVerdict(home.root);
      throw error;
    });
  }

  /** The accelerator for a machine before the packages base exists: the locked kernel tests it. */
  async #judgeAccelerator(): Promise<AcceleratorVerdict> {
    const { home, store, lock, accelerator, signal } = this.#options;
    const kernelPath = await findLockedKernel(home, store, lock);
    return decideAccelerator({ preference: accelerator, kernelPath, stateDir: home.root, signal });
  }

  /**
   * The inputs must be in the store.
   * @throws BuilderError BASE_FAILED, HOST_DISK_FULL, BUSY; VmError KVM_UNUSABLE and others of QEMU's start
   */
  async ready(): Promise<void> {
    await this.#readyWith(await this.#ensureBase());
    await this.#lockDisk();
    await this.#ensureDisk();
    const { progress } = this.#options;
    const options = this.#vmOptions();
    if (!(await BuilderVm.isPrepared(options))) {
      await progress.step("first boot of the builder VM", () => BuilderVm.prepare(options));
    }
  }

  /** Prepares machines with an existing base. */
  async #readyWith(base: VmBase): Promise<void> {
    const { home, projectRoot, accelerator, progress, signal } = this.#options;
    const verdict = await decideAccelerator({
      preference: accelerator,
      kernelPath: base.kernel,
      stateDir: home.root,
      signal,
    });
    progress.note(`builder machine: VM with ${verdict.accelerator}, ${verdict.reason}`);
    const poolScript = await readFile(join(projectRoot, "builder/machines/vm/pool.sh"), "utf8");
    this.#ready = { base, verdict, poolScript };
  }

  async begin({ stamp, stage, key, below }: StagePlace, step: Step): Promise<StageMachine> {
    step.status("starting the builder VM");
    const session = await this.#open(["begin", stamp, stage, below.at(-1) ?? "-"]);
    return {
      ...this.#inside(session),
      commit: async ({ durationMs }) => {
        await this.#keepRecord(await session.pool(["commit", stamp, stage, key, String(Math.round(durationMs))]));
        await session[Symbol.asyncDispose]();
      },
      // The dataset keeps its state. The next stage rolls it back; a shell shows a clone of it.
      keepFailed: () => session[Symbol.asyncDispose](),
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  }

  async show({ stamp, stages, failed }: ReleaseView): Promise<BuilderMachine> {
    const session = await this.#open(["show", stamp, stages.at(-1) ?? "-", ...(failed === undefined ? [] : [failed])]);
    return { ...this.#inside(session), [Symbol.asyncDispose]: () => session[Symbol.asyncDispose]() };
  }

  #inside({ vm }: PoolSession): Omit<BuilderMachine, typeof Symbol.asyncDispose> {
    return {
      ssh: vm.ssh,
      whyLost: () => vm.whyLost(),
      hostFailure: () => vm.hostFailure(),
      copyOut: (folder, target, signal) =>
        vm.copyOut(folder, target, signal).catch(async (error) => {
          throw await vm.explain(error);
        }),
    };
  }

  /**
   * Starts a machine with the existing base; never makes a base. Snapshots that cannot be removed this way stay, and a note
   * gives the reason.
   */
  async collectGarbage(kept: readonly KeptRelease[]): Promise<number> {
    const { stages } = await readPoolRecord(this.#recordFile);
    const mine = kept.filter(({ machine }) => machine === "vm");
    // Select by key, not by stamp: a release may use stages of other releases.
    const keys = new Set(mine.flatMap((release) => release.stages.map(({ key }) => key)));
    const needed = new Set(stages.filter(({ key }) => keys.has(key)).map(({ snapshot }) => stampOf(snapshot)));
    const doomed = [...new Set(stages.map(({ snapshot }) => stampOf(snapshot)))].filter(
      (stamp) => !needed.has(stamp) && !mine.some((release) => release.stamp === stamp),
    );
    if (mine.length === 0 || !(await isThere(this.#disk))) {
      // The disk holds nothing that is needed, or it is missing: delete it without starting a machine.
      await this.#lockDisk();
      await rm(this.#disk, { force: true });
      await rm(this.#recordFile, { force: true });
      return stages.length;
    }
    if (doomed.length === 0) return 0;
    const { home, progress, signal } = this.#options;
    const left = `the builder VM keeps the snapshots of ${doomed.join(", ")}`;
    const base = vmBaseAt(home, this.baseKey);
    if (!(await isThere(base.root))) {
      progress.note(`${left}: its root is missing. Run livelab build, then livelab gc`);
      return 0;
    }
    try {
      await this.#readyWith(base);
      await using session = await this.#open();
      await this.#keepRecord(await session.pool(["drop", ...doomed], DROP_LIMIT_MS));
    } catch (thrown) {
      const error = firstError(thrown);
      if (signal.aborted || !(error instanceof LivelabError)) throw thrown;
      progress.note(`${left}: ${error.message}`);
    }
    return stages.length - (await readPoolRecord(this.#recordFile)).stages.length;
  }

  #vmOptions(): VmOptions {
    if (this.#ready === undefined) throw new Error("the builder VM is not ready: ready() was not called");
    const { base, verdict } = this.#ready;
    const { home, progress, signal } = this.#options;
    return { home, base, disk: this.#disk, verdict, signal, progress };
  }

  /** Takes the lock once and keeps it until this process ends: a build must not lose the disk between two stages. */
  async #lockDisk(): Promise<void> {
    const path = join(this.#options.home.vm, "lock");
    let lock = locks.get(path);
    if (lock === undefined) {
      lock = OwnerLock.take(path, "the builder VM");
      locks.set(path, lock);
      lock.catch(() => locks.delete(path));
    }
    await lock;
  }

  /** Creates the disk if it is missing. A new disk has no pool, so the record of an older disk is removed. */
  async #ensureDisk(): Promise<void> {
    if (await isThere(this.#disk)) return;
    await rm(this.#recordFile, { force: true });
    await makePoolDisk(this.#disk);
  }

  async #keepRecord(printed: string): Promise<void> {
    await savePoolRecord(this.#recordFile, { version: 1, created: true, stages: parsePoolStages(printed) });
  }

  /** Starts a machine, imports the pool and runs the command `words`. Disposing exports the pool and ends the machine. */
  async #open(words?: readonly string[]): Promise<PoolSession> {
    await using cleanup = new DisposableStack();
    await this.#lockDisk();
    await this.#ensureDisk();
    const options = this.#vmOptions();
    const vm = cleanup.use(await BuilderVm.start(options));
    const { timeScale } = options.verdict;
    const pool: PoolSession["pool"] = (command, limitMs = POOL_LIMIT_MS) =>
      this.#pool(vm, command, limitMs * timeScale);
    const { created } = await readPoolRecord(this.#recordFile);
    await this.#keepRecord(await pool(["open", created ? "no" : "yes"]));
    // A machine that died cannot export its pool; the pool keeps the state of its last transaction.
    cleanup.defer(() => pool(["close"], CLOSE_LIMIT_MS).catch(() => undefined));
    if (words !== undefined) await pool(words);
    const resources = cleanup.move();
    return { vm, pool, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
  }

  /** Runs pool.sh in a machine. @returns its output @throws BuilderError POOL_FAILED, LAYER_GONE, MACHINE_DIED */
  async #pool(vm: BuilderVm, words: readonly string[], limitMs: number): Promise<string> {
    const { signal } = this.#options;
    const closing = words[0] === "close";
    const limit = limitSignal({
      limitMs,
      signal: closing ? undefined : signal,
      onLimit: overdue(`command ${words[0]} on the builder VM's pool`, limitMs),
    });
    try {
      const { status, stdout, stderr } = await vm.ssh.exec(`sh -s -- ${words.join(" ")}`, {
        stdin: this.#ready?.poolScript ?? "",
        signal: limit,
      });
      if (status === 0) return stdout.toString();
      const said = `command ${words[0]} on the builder VM's pool failed: ${stderr.trim()}`;
      if (status === NOT_THERE) throw new BuilderError("LAYER_GONE", said, { hint: "livelab build" });
      const remedy = `if the pool cannot be repaired, remove ${this.#disk} and build again; this repeats all stages`;
      throw new BuilderError("POOL_FAILED", said, words[0] === "open" ? { hint: remedy } : {});
    } catch (error) {
      throw await vm.explain(error);
    }
  }
}

interface PoolSession extends AsyncDisposable {
  readonly vm: BuilderVm;
  /** Runs one command of pool.sh. @param limitMs time limit in milliseconds with KVM. @default POOL_LIMIT_MS */
  readonly pool: (words: readonly string[], limitMs?: number) => Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** "triton/debian-live-<stamp>@<stage>-done" */
const stampOf = (snapshot: string): string => /debian-live-([^@]*)@/.exec(snapshot)?.[1] ?? "";
const stageOf = (snapshot: string): string => /@(.*)-done$/.exec(snapshot)?.[1] ?? "";
