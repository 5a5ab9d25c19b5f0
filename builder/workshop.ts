/**
 * What every command that runs builder machines needs of one profile: home, lock, store, layers, base.
 * Nothing is fetched or made before something asks for it.
 */
import { join } from "node:path";
import type { Progress } from "../vm/progress.js";
import { type LivelabHome, openHome } from "./home.js";
import { fetchInputs } from "./inputs/fetch.js";
import { createGateway, type Gateway } from "./inputs/gateway.js";
import type { ProxySettings } from "./inputs/http-get.js";
import { type Lock, loadLock } from "./inputs/lock.js";
import { findMirrors } from "./inputs/mirrors.js";
import { Store } from "./inputs/store.js";
import { LayerStore } from "./layers.js";
import { baseKey, ensureBase } from "./machines/base.js";
import { assertNamespaces } from "./machines/namespace-check.js";
import { loadProfile } from "./profiles.js";
import { digestTree } from "./proto-tree.js";
import type { KeyMaterial } from "./stage-key.js";
import type { StageContext } from "./stage-run.js";

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
      baseKey: await baseKey(lock.set("base"), machineScripts(options.projectRoot)),
      protoDigest: await digestTree(join(options.projectRoot, "proto")),
    };
    return new Workshop(options, home, lock, store, material);
  }

  /** Downloads what the store lacks of the lock. */
  async fetchInputs(): Promise<void> {
    const { mirror, proxy, progress, signal } = this.options;
    await fetchInputs({
      lock: this.lock,
      store: this.store,
      mirrors: () => findMirrors(this.lock.profile, mirror, signal),
      progress,
      proxy,
      signal,
    });
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
    await assertNamespaces(asRoot);
    await this.layers.sweep();
    await this.fetchInputs();
    const scripts = machineScripts(projectRoot);
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

const machineScripts = (projectRoot: string): string => join(projectRoot, "builder/machines");
