/**
 * The sandbox's store of stages (DESIGN D7): one folder per key with the files that the stage wrote. overlayfs stacks them.
 * Every layer in the store is complete: it is written under another name, and renamed after its stage has succeeded.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isThere } from "../../../base/is-there.js";
import { Draft } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";
import { removeTree } from "../../home/remove-tree.js";
import type { StageResult } from "../builder-machine.js";

/** The record of a finished layer, in layer.json. */
const layerInfo = z.object({
  stage: z.string(),
  /** How long the stage took, in milliseconds. */
  durationMs: z.number(),
});

/** A layer that is being written. Disposing of it without commit() or moveTo() removes it. */
export interface OpenLayer extends AsyncDisposable {
  readonly upper: string;
  readonly work: string;
  /** Adds it to the store. If another process was faster, keeps that process's equal layer instead. */
  commit(info: StageResult): Promise<void>;
  /** Moves the files of a failed stage to `folder`, for inspection. */
  moveTo(folder: string): Promise<void>;
}

export class LayerStore {
  readonly #home: LivelabHome;
  readonly #asRoot: boolean;

  constructor(home: LivelabHome, asRoot: boolean) {
    this.#home = home;
    this.#asRoot = asRoot;
  }

  /** Folder with the files of a finished layer. */
  pathOf(key: string): string {
    return join(this.#home.layers, key, "fs");
  }

  /** The record of a layer, or undefined if the store has no layer with that key. */
  async find(key: string): Promise<StageResult | undefined> {
    try {
      return layerInfo.parse(JSON.parse(await readFile(join(this.#home.layers, key, "layer.json"), "utf8")));
    } catch {
      return undefined; // no layer, or one without its record after a power failure
    }
  }

  async begin(key: string): Promise<OpenLayer> {
    const draft = await Draft.begin(join(this.#home.layers, key), this.#asRoot);
    const upper = join(draft.path, "fs");
    const work = join(draft.path, "work");
    await mkdir(upper, { recursive: true });
    await mkdir(work);
    return {
      upper,
      work,
      commit: async (info) => {
        await removeTree(work, this.#asRoot);
        await writeFile(join(draft.path, "layer.json"), `${JSON.stringify(info)}\n`);
        if ((await this.find(key)) !== undefined) return;
        await this.remove(key);
        await draft.commit().catch(async (error: NodeJS.ErrnoException) => {
          if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
        });
      },
      moveTo: async (target) => {
        await removeTree(target, this.#asRoot);
        await rename(upper, target);
      },
      [Symbol.asyncDispose]: () => draft[Symbol.asyncDispose](),
    };
  }

  async remove(key: string): Promise<void> {
    // Rename it first, so that a partly removed layer is never mistaken for a complete one.
    const layer = join(this.#home.layers, key);
    if (await isThere(layer)) {
      await using doomed = await Draft.begin(layer, this.#asRoot);
      await rename(layer, doomed.path);
    }
  }
}
