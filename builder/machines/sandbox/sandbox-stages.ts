/** Stages in the sandbox: each stage runs in its own namespaces, and overlayfs collects the files that it writes in a layer. */
import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { isThere } from "../../../base/is-there.js";
import { BuilderError } from "../../builder-error.js";
import { SshError } from "../../channel/ssh-connection.js";
import { failedLayerFolder } from "../../home/home.js";
import { isKeyName } from "../../home/key-name.js";
import { removeTree } from "../../home/remove-tree.js";
import { type BaseRequest, baseKey, ensureBase } from "../base.js";
import {
  type BuilderMachine,
  type BuilderMachines,
  type CopiedFile,
  type KeptRelease,
  type ReleaseView,
  releaseInside,
  type StageMachine,
  type StagePlace,
  type StageResult,
} from "../builder-machine.js";
import { copyOverSsh, listFiles } from "../copy-out.js";
import { copyFound, findInLayers } from "./copy-layers.js";
import { LayerStore } from "./layers.js";
import { assertNamespaces } from "./namespace-check.js";
import { Sandbox } from "./sandbox.js";

export interface SandboxOptions extends BaseRequest {
  readonly signal: AbortSignal;
}

export class SandboxStages implements BuilderMachines {
  readonly kind = "sandbox";
  readonly timeScale = 1;
  readonly baseKey: string;
  readonly layers: LayerStore;
  readonly #options: SandboxOptions;
  #base: string | undefined;

  private constructor(options: SandboxOptions, key: string) {
    this.#options = options;
    this.baseKey = key;
    this.layers = new LayerStore(options.home, options.asRoot);
  }

  static async open(options: SandboxOptions): Promise<SandboxStages> {
    return new SandboxStages(options, await baseKey(options.set, options.scripts, options.asRoot));
  }

  /** The record of the layer with that key. */
  async find(key: string): Promise<StageResult | undefined> {
    return this.layers.find(key);
  }

  /** The inputs must be in the store. @throws BuilderError NO_NAMESPACES, BASE_FAILED, HOST_DISK_FULL */
  async ready(): Promise<void> {
    const { home, scripts, asRoot } = this.#options;
    await assertNamespaces({ home, scripts, asRoot });
    this.#base = await ensureBase(this.#options);
  }

  async begin({ stamp, key, below }: StagePlace): Promise<StageMachine> {
    const { home, asRoot } = this.#options;
    await removeTree(failedLayerFolder(home, stamp), asRoot);
    const layer = await this.layers.begin(key);
    const machine = await this.#start(stamp, this.#folders(below), layer).catch(async (error) => {
      await Promise.resolve(layer[Symbol.asyncDispose]()).catch(() => undefined); // the first error counts; a later run removes the rest
      throw error;
    });
    return {
      ...inside(machine, stamp),
      commit: async (info) => {
        await machine[Symbol.asyncDispose]();
        await layer.commit(info);
      },
      keepFailed: async () => {
        await machine[Symbol.asyncDispose]();
        await layer.moveTo(failedLayerFolder(home, stamp));
      },
      [Symbol.asyncDispose]: async () => {
        await machine[Symbol.asyncDispose]();
        await layer[Symbol.asyncDispose]();
      },
    };
  }

  async show({ stamp, stages, failed }: ReleaseView): Promise<BuilderMachine> {
    const lower = this.#folders(stages);
    const left = failedLayerFolder(this.#options.home, stamp);
    if (failed !== undefined && (await isThere(left))) lower.push(left);
    const machine = await this.#start(stamp, lower);
    return { ...inside(machine, stamp), [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose]() };
  }

  async collectGarbage(kept: readonly KeptRelease[]): Promise<number> {
    const keys = new Set(kept.flatMap(({ stages }) => stages.map(({ key }) => key)));
    let dropped = 0;
    for (const key of await readdir(this.#options.home.layers)) {
      if (keys.has(key) || !isKeyName(key)) continue;
      await this.layers.remove(key);
      dropped += 1;
    }
    return dropped;
  }

  #folders(keys: readonly string[]): string[] {
    return keys.map((key) => this.layers.pathOf(key));
  }

  #start(
    stamp: string,
    lower: readonly string[],
    writable?: { readonly upper: string; readonly work: string },
  ): Promise<Sandbox> {
    const { home, scripts, asRoot, signal } = this.#options;
    if (this.#base === undefined) throw new Error("the sandbox is not ready: ready() was not called");
    return Sandbox.start({
      home,
      base: this.#base,
      scripts,
      asRoot,
      signal,
      release: { stamp, lower: [...lower].reverse(), ...(writable === undefined ? {} : { writable }) },
    });
  }
}

const WHY_LOST = "ended unexpectedly (possibly out of memory)";

const inside = (machine: Sandbox, stamp: string): Omit<BuilderMachine, typeof Symbol.asyncDispose> => ({
  ssh: machine.ssh,
  whyLost: async () => WHY_LOST,
  copyOut: (folder, target, signal) =>
    copyOut(machine, { release: releaseInside(stamp), folder, target }, signal).catch((error) => {
      if (!(error instanceof SshError)) throw error;
      throw new BuilderError("MACHINE_DIED", `the builder machine ${WHY_LOST} (${error.message})`, { cause: error });
    }),
});

/** Copies from the layers on the host; through SSH if a file is not found in them. */
async function copyOut(
  { ssh, layers }: Sandbox,
  { release, folder, target }: Readonly<Record<"release" | "folder" | "target", string>>,
  signal: AbortSignal,
): Promise<readonly CopiedFile[]> {
  const files = await listFiles(ssh, folder, signal);
  const inLayers = relative(release, folder);
  const found = inLayers.startsWith("..") ? undefined : await findInLayers(files, inLayers, layers);
  if (found !== undefined) return copyFound(found, target, signal);
  await copyOverSsh(ssh, folder, target, signal);
  const copies = files.map(({ path, bytes }) => ({ path, bytes, source: join(target, path) }));
  return copyFound(copies, undefined, signal);
}
