/**
 * The context of all commands that run builder machines, for one profile: home, lock, store, machines.
 * Files are fetched, and machines' roots made, only when a command needs them.
 */
import { join } from "node:path";
import { DisposableStack } from "../base/disposable-stack.js";
import type { Progress } from "../base/progress/progress.js";
import { useTools } from "../base/tools.js";
import type { AcceleratorRequest } from "../vm/accelerator/accelerator.js";
import { GATEWAY_PORT } from "./channel/sshd-config.js";
import { checkCheckout } from "./checkout/checkout.js";
import { type LivelabHome, openHome } from "./home/home.js";
import { markInUse } from "./home/home-use.js";
import { sweepHome } from "./home/sweep.js";
import { type BuilderMachines, type MachineKind, NO_RELEASE } from "./machines/builder-machine.js";
import { assertNamespaces } from "./machines/sandbox/namespace-check.js";
import { SandboxStages } from "./machines/sandbox/sandbox-stages.js";
import { findLockedKernel } from "./machines/vm/locked-kernel.js";
import { VmStages } from "./machines/vm/vm-stages.js";
import { withCompression } from "./profile/compression.js";
import { Lock, loadLock, loadToolsLock } from "./profile/lock.js";
import { type LockSpec, loadProfile, TOOLS_SET, toolsSpec } from "./profile/profiles.js";
import { formatGitStatus, readSourceState } from "./release/git-status.js";
import type { ResolverMachine } from "./resolve/resolver.js";
import { describeTree } from "./stages/proto-tree.js";
import type { KeyMaterial } from "./stages/stage-key.js";
import type { StageContext } from "./stages/stage-run.js";
import type { CloudImageSource } from "./store/cloud-image.js";
import { type FetchReport, fetchInputs } from "./store/fetch.js";
import { createGateway, type Gateway } from "./store/gateway.js";
import type { ProxySettings } from "./store/http-get.js";
import { findMirrors, type Mirrors } from "./store/mirrors.js";
import { Store } from "./store/store.js";
import { hostTools, readyTools, type ToolSet, testTools } from "./tools/tools.js";

export interface BuildContextOptions {
  /** $LIVELAB_HOME. */
  readonly homeRoot: string;
  /** Folder that holds package.json. */
  readonly projectRoot: string;
  readonly profile: string;
  /** Kind of the machine that runs the stages. */
  readonly machine: MachineKind;
  /** Accelerator of the builder VM. @default "auto" */
  readonly accelerator?: AcceleratorRequest["preference"] | undefined;
  /** Cloud image in which the builder VM's root is made. @default the sandbox makes it, if the host allows one */
  readonly cloudBase?: CloudImageSource | undefined;
  /** Compression of the squashfs, as on the command line. @default the profile's */
  readonly compression?: string | undefined;
  /** Treatment of sets without a lock file; see loadLock(). @default "refuse" */
  readonly absentSets?: "refuse" | "leave out" | undefined;
  /** $LIVELAB_MIRROR. */
  readonly mirror: string | undefined;
  readonly proxy: ProxySettings;
  /** Whether livelab runs as root. */
  readonly asRoot: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export class BuildContext {
  readonly options: BuildContextOptions;
  readonly home: LivelabHome;
  readonly lock: Lock;
  /** The lock of the programs that livelab starts on the host. */
  readonly toolsLock: Lock<LockSpec>;
  readonly store: Store;
  readonly machines: BuilderMachines;
  readonly material: KeyMaterial;

  private constructor(
    options: BuildContextOptions,
    parts: Pick<BuildContext, "home" | "lock" | "toolsLock" | "store" | "machines" | "material">,
  ) {
    this.options = options;
    this.home = parts.home;
    this.lock = parts.lock;
    this.toolsLock = parts.toolsLock;
    this.store = parts.store;
    this.machines = parts.machines;
    this.material = parts.material;
  }

  /**
   * @throws UsageError UNKNOWN_PROFILE; InputError BAD_CHECKOUT; NOT_FOUND, MALFORMED for its lock; BuilderError
   * NOT_WRITABLE, FOREIGN_HOME
   */
  static async open(options: BuildContextOptions): Promise<BuildContext> {
    await checkCheckout(options.projectRoot);
    const lock = await loadLock(
      options.projectRoot,
      withCompression(loadProfile(options.profile), options.compression),
      options.absentSets,
    );
    const toolsLock = await loadToolsLock(options.projectRoot, options.absentSets);
    const home = await openHome(options.homeRoot);
    const store = await Store.open(home.store);
    const { projectRoot, asRoot, progress, signal } = options;
    const scripts = machineScripts(projectRoot);
    const stageFolder = join(projectRoot, "builder/stages");
    const sandbox = await SandboxStages.open({ home, store, set: lock.set("base"), scripts, asRoot, progress, signal });
    const machines =
      options.machine === "sandbox"
        ? sandbox
        : await VmStages.open({
            home,
            store,
            lock,
            sandbox,
            projectRoot,
            stageFolder,
            accelerator: options.accelerator ?? "auto",
            cloudBase: options.cloudBase,
            proxy: options.proxy,
            progress,
            signal,
          });
    const proto = await describeTree(join(projectRoot, "proto"));
    const gitStatus = formatGitStatus(await readSourceState(projectRoot));
    const material: KeyMaterial = { lock, stageFolder, baseKey: machines.baseKey, proto, gitStatus };
    return new BuildContext(options, { home, lock, toolsLock, store, machines, material });
  }

  /** Everything that a host without network needs: the lock of the profile, with the tools. */
  get allInputs(): Lock {
    const { profile, sets, npm } = this.lock;
    const suites = [...profile.suites, ...toolsSpec.suites];
    return new Lock({ ...profile, suites }, [...sets, this.toolsLock.set(TOOLS_SET)], npm);
  }

  /** Downloads the files of a lock that the store lacks. @param lock @default that of the profile */
  async fetchInputs(lock: Lock = this.lock): Promise<FetchReport> {
    await markInUse(this.home);
    const { proxy, progress, signal } = this.options;
    return fetchInputs({
      lock,
      store: this.store,
      mirrors: () => this.findMirrors(lock.profile),
      progress,
      proxy,
      signal,
    });
  }

  /**
   * Makes the locked programs of the host ready, and puts them first in the PATH.
   * @param forTests whether those of the tests, too
   * @throws InputError, BuilderError as readyTools()
   */
  async readyTools(forTests = false): Promise<void> {
    const { proxy, progress, signal } = this.options;
    const mirrors = () => this.findMirrors(toolsSpec);
    const sets = forTests ? this.toolSets : [hostTools(this.toolsLock)];
    const folders = await readyTools({ home: this.home, store: this.store, mirrors, proxy, progress, signal }, sets);
    useTools(folders);
  }

  /** All sets of programs that livelab and its tests start on the host. */
  get toolSets(): readonly ToolSet[] {
    return [hostTools(this.toolsLock), ...testTools(this.toolsLock, this.lock)];
  }

  /** Finds the mirrors of locked files. */
  findMirrors(profile: LockSpec = this.lock.profile): Promise<Mirrors> {
    return findMirrors(profile, this.options.mirror, this.options.signal);
  }

  /** Starts a machine with the base's apt and without a release, to recompute or verify the lock. */
  async openResolver(gateway: Gateway): Promise<ResolverMachine> {
    const { machines } = await this.ready(NO_RELEASE, gateway);
    await using cleanup = new DisposableStack();
    const machine = cleanup.use(await machines.show({ stamp: NO_RELEASE, stages: [] }));
    await machine.ssh.forwardFrom(GATEWAY_PORT, (stream) => gateway.accept(stream));
    cleanup.move();
    return {
      gatewayUrl: `http://127.0.0.1:${GATEWAY_PORT}`,
      exec: (command, options) => machine.ssh.exec(command, options),
      [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose](),
    };
  }

  /** The lock's kernel as a file, to try KVM with. @param fetch whether missing files may be fetched first */
  async findLockedKernel(fetch: boolean): Promise<string | undefined> {
    if (fetch) await this.fetchInputs();
    return findLockedKernel(this.home, this.store, this.lock);
  }

  /** @throws BuilderError NO_NAMESPACES if this host refuses the sandbox */
  assertSandbox(): Promise<void> {
    const { asRoot, projectRoot } = this.options;
    return assertNamespaces({ home: this.home, scripts: machineScripts(projectRoot), asRoot });
  }

  /** Makes a gateway that serves the lock's files. */
  createGateway(): Gateway {
    return createGateway(this.lock, this.store);
  }

  /**
   * Prepares the inputs and machines that a stage or a shell of release `stamp` needs.
   * @throws BuilderError NO_NAMESPACES, BASE_FAILED, HOST_DISK_FULL; InputError for files that cannot be fetched
   */
  async ready(stamp: string, gateway: Gateway): Promise<StageContext> {
    await markInUse(this.home);
    await sweepHome(this.home, this.options.asRoot);
    await this.fetchInputs();
    await this.machines.ready();
    return {
      home: this.home,
      machines: this.machines,
      gateway,
      material: this.material,
      stamp,
      proto: join(this.options.projectRoot, "proto"),
      signal: this.options.signal,
      progress: this.options.progress,
    };
  }
}

/** Folder of the machines' own shell files. */
export const machineScripts = (projectRoot: string): string => join(projectRoot, "builder/machines");
