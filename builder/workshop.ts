/**
 * What every command that runs builder machines needs of one profile: home, lock, store, layers, base.
 * Nothing is fetched or made before something asks for it.
 */
import { join } from "node:path";
import { DisposableStack } from "../vm/disposable-stack.js";
import type { Progress } from "../vm/progress.js";
import { GATEWAY_PORT } from "../vm/sshd-config.js";
import { type LivelabHome, openHome } from "./home.js";
import { markInUse } from "./home-use.js";
import { type FetchReport, fetchInputs } from "./inputs/fetch.js";
import { createGateway, type Gateway } from "./inputs/gateway.js";
import type { ProxySettings } from "./inputs/http-get.js";
import { type Lock, loadLock } from "./inputs/lock.js";
import { findMirrors, type Mirrors } from "./inputs/mirrors.js";
import type { ResolverMachine } from "./inputs/resolver.js";
import { Store } from "./inputs/store.js";
import { LayerStore } from "./layers.js";
import { baseKey, ensureBase } from "./machines/base.js";
import { assertNamespaces } from "./machines/namespace-check.js";
import { loadProfile, type Profile } from "./profiles.js";
import { digestTree } from "./proto-tree.js";
import type { KeyMaterial } from "./stage-key.js";
import { type StageContext, startMachine } from "./stage-run.js";

export interface WorkshopOptions {
  /** $LIVELAB_HOME. */
  readonly homeRoot: string;
  /** Folder that holds package.json. */
  readonly projectRoot: string;
  readonly profile: string;
  /** $LIVELAB_MIRROR. */
  readonly mirror: string | undefined;
  readonly proxy: ProxySettings;
  /** Whether livelab runs as root. */
  readonly asRoot: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export class Workshop {
  readonly options: WorkshopOptions;
  readonly home: LivelabHome;
  readonly lock: Lock;
  readonly store: Store;
  readonly layers: LayerStore;
  readonly material: KeyMaterial;

  private constructor(options: WorkshopOptions, home: LivelabHome, lock: Lock, store: Store, material: KeyMaterial) {
    this.options = options;
    this.home = home;
    this.lock = lock;
    this.store = store;
    this.layers = new LayerStore(home, options.asRoot);
    this.material = material;
  }

  /** @throws UsageError UNKNOWN_PROFILE; InputError NOT_FOUND, MALFORMED for its lock; BuilderError NOT_WRITABLE */
  static async open(options: WorkshopOptions): Promise<Workshop> {
    const lock = await loadLock(options.projectRoot, loadProfile(options.profile));
    const home = await openHome(options.homeRoot);
    const store = await Store.open(home.store);
    const material: KeyMaterial = {
      lock,
      stageFolder: join(options.projectRoot, "builder/stages"),
      baseKey: await baseKey(lock.set("base"), machineScripts(options.projectRoot), options.asRoot),
      protoDigest: await digestTree(join(options.projectRoot, "proto")),
    };
    return new Workshop(options, home, lock, store, material);
  }

  /** Downloads what the store lacks of the lock. */
  async fetchInputs(): Promise<FetchReport> {
    await markInUse(this.home);
    const { proxy, progress, signal } = this.options;
    return fetchInputs({
      lock: this.lock,
      store: this.store,
      mirrors: () => this.findMirrors(),
      progress,
      proxy,
      signal,
    });
  }

  /** Where locked files may be fetched from. */
  findMirrors(profile: Profile = this.lock.profile): Promise<Mirrors> {
    return findMirrors(profile, this.options.mirror, this.options.signal);
  }

  /** A machine with the base's apt and no release, for recomputing and verifying the lock. */
  async openResolver(gateway: Gateway): Promise<ResolverMachine> {
    const context = await this.ready("19700101T000000Z", gateway);
    await using cleanup = new DisposableStack();
    const machine = cleanup.use(await startMachine(context, []));
    await machine.ssh.forwardFrom(GATEWAY_PORT, (stream) => gateway.accept(stream));
    cleanup.move();
    return {
      gatewayUrl: `http://127.0.0.1:${GATEWAY_PORT}`,
      exec: (command, options) => machine.ssh.exec(command, options),
      [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose](),
    };
  }

  /** A gateway that serves the lock. */
  createGateway(): Gateway {
    return createGateway(this.lock, this.store);
  }

  /**
   * Readies all that a stage or a shell of release `stamp` needs: namespaces, inputs, base.
   * @throws BuilderError NO_NAMESPACES, BASE_FAILED, HOST_DISK_FULL; InputError for what cannot be fetched
   */
  async ready(stamp: string, gateway: Gateway): Promise<StageContext> {
    const { asRoot, progress, projectRoot, signal } = this.options;
    const scripts = machineScripts(projectRoot);
    await assertNamespaces({ home: this.home, scripts, asRoot });
    await markInUse(this.home);
    await this.layers.sweep();
    await this.fetchInputs();
    const base = await ensureBase({
      home: this.home,
      store: this.store,
      set: this.lock.set("base"),
      scripts,
      asRoot,
      progress,
      signal,
    });
    return {
      home: this.home,
      layers: this.layers,
      gateway,
      material: this.material,
      stamp,
      base,
      proto: join(projectRoot, "proto"),
      machineScripts: scripts,
      asRoot,
      signal,
    };
  }
}

/** Folder of the machines' own shell files. */
export const machineScripts = (projectRoot: string): string => join(projectRoot, "builder/machines");
