/**
 * The store: verified files under the name of their content, `<root>/sha256/ab/ab12…`.
 * A file that is there is whole: it is written under tmp/, checked, flushed and only then renamed (rename(2) is atomic),
 * so neither a killed process nor a second one at the same time leaves anything that looks whole and is not.
 * Not here: where the bytes come from (download.ts, bundle.ts); the file being written (partial-file.ts).
 */
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { InputError } from "../builder-error.js";
import { diskFullError, freeBytesIn } from "../home/disk-full.js";
import type { Digest } from "../profile/digest.js";
import { PartialFile } from "./partial-file.js";

export class Store {
  /** The store's folder. */
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  /** Opens a store and makes its folders. @throws InputError STORE when they cannot be made */
  static async open(root: string): Promise<Store> {
    try {
      await mkdir(join(root, "tmp"), { recursive: true });
    } catch (cause) {
      throw new InputError("STORE", `the store ${root} cannot be made: ${(cause as Error).message}`, {
        hint: "point LIVELAB_HOME at a folder that you can write to",
        cause,
      });
    }
    return new Store(root);
  }

  /** Where the file with this content is, or would be. */
  pathOf({ algorithm, hex }: Digest): string {
    return join(this.root, algorithm, hex.slice(0, 2), hex);
  }

  /**
   * Whether the file is there.
   * @param size where it is known, a file of another size counts as absent (a file system that lost data in a crash)
   */
  async has(digest: Digest, size?: number): Promise<boolean> {
    try {
      const found = await stat(this.pathOf(digest));
      return found.isFile() && (size === undefined || found.size === size);
    } catch {
      return false;
    }
  }

  /** Begins a file, or goes on with what an earlier try left of it. The caller disposes of it. */
  async begin(digest: Digest): Promise<PartialFile> {
    return await PartialFile.claim(join(this.root, "tmp"), this.pathOf(digest), digest);
  }

  /**
   * Takes in a file whose digest is known.
   * @param name @param source for messages: what it is and where the bytes come from
   * @throws InputError WRONG_DIGEST, DISK_FULL, STORE; what `bytes` throws
   */
  async add(digest: Digest, bytes: AsyncIterable<Uint8Array>, name: string, source: string): Promise<void> {
    // A file that cannot be opened says so before it is read; until then its error waits in the stream.
    if (bytes instanceof Readable) bytes.on("error", () => undefined);
    await using partial = await this.begin(digest);
    await partial.restart();
    for await (const chunk of bytes) await partial.write(chunk);
    await partial.commit(name, source);
  }

  /**
   * Checks that the store's file system has room for so many bytes more.
   * @throws InputError DISK_FULL with folder, need, room and remedy
   */
  async ensureFreeSpace(neededBytes: number): Promise<void> {
    if (neededBytes > (await freeBytesIn(this.root))) throw await diskFullError(this.root, neededBytes);
  }
}
