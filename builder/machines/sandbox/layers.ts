/**
 * The sandbox's stage store: what each stage wrote, a folder a key (DESIGN D7), stacked by overlayfs.
 * A layer that is there is whole: it is written under another name and renamed when its stage has ended well.
 * Not here: keys (stage-key.ts), which layers make a release (release.ts).
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { isThere } from "../../../base/is-there.js";
import { Draft } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";
import { removeTree } from "../../home/remove-tree.js";
import type { StageResult } from "../builder-machine.js";

/** What is known of a finished layer. */
const layerInfo = z.object({
  stage: z.string(),
  /** How long the stage took, in milliseconds. */
  durationMs: z.number(),
});

/** A layer being written; disposing of it without commit() or moveTo() removes it. */
export interface OpenLayer extends AsyncDisposable {
  readonly upper: string;
  readonly work: string;
  /** Makes it a layer of the store; when another process was faster, its equal is kept. */
  commit(info: StageResult): Promise<void>;
  /** Keeps what was written so far elsewhere, for looking at a failed stage. */
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

  /** What is known of a layer, or undefined when there is none of that key. */
  async find(key: string): Promise<StageResult | undefined> {
    try {
      return layerInfo.parse(JSON.parse(await readFile(join(this.#home.layers, key, "layer.json"), "utf8")));
    } catch {
      return undefined; // none, or one that a power cut left without its record
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

  /** Drops one layer. */
  async remove(key: string): Promise<void> {
    // Renamed first, so that a layer half removed is never taken for a whole one.
    const layer = join(this.#home.layers, key);
    if (await isThere(layer)) {
      await using doomed = await Draft.begin(layer, this.#asRoot);
      await rename(layer, doomed.path);
    }
  }
}
