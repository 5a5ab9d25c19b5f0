/**
 * The store: verified files, named after the digest of their content, `<root>/sha256/ab/ab12…`.
 * Every file in it is complete: it is written under tmp/ (partial-file.ts), checked, flushed and then renamed (rename(2) is
 * atomic), so neither a killed process nor two processes at the same time leave an incomplete file under a final name.
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

  /** Opens a store and makes its folders. @throws InputError STORE if they cannot be made */
  static async open(root: string): Promise<Store> {
    try {
      await mkdir(join(root, "tmp"), { recursive: true });
    } catch (cause) {
      throw new InputError("STORE", `the store ${root} cannot be made: ${(cause as Error).message}`, {
        hint: "set LIVELAB_HOME to a folder that you may write to",
        cause,
      });
    }
    return new Store(root);
  }

  /** Path of the file with this content; the file may be missing. */
  pathOf({ algorithm, hex }: Digest): string {
    return join(this.root, algorithm, hex.slice(0, 2), hex);
  }

  /**
   * Whether the store has the file.
   * @param size size, if known: a file of another size counts as missing (a file system may lose data in a crash)
   */
  async has(digest: Digest, size?: number): Promise<boolean> {
    try {
      const found = await stat(this.pathOf(digest));
      return found.isFile() && (size === undefined || found.size === size);
    } catch {
      return false;
    }
  }

  /** Begins a file, or resumes the partial file of an earlier try. The caller disposes of it. */
  async begin(digest: Digest): Promise<PartialFile> {
    return await PartialFile.claim(join(this.root, "tmp"), this.pathOf(digest), digest);
  }

  /**
   * Adds a file with a known digest.
   * @param name name of the file, for messages @param source where the bytes come from, for messages
   * @throws InputError WRONG_DIGEST, DISK_FULL, STORE; what `bytes` throws
   */
  async add(digest: Digest, bytes: AsyncIterable<Uint8Array>, name: string, source: string): Promise<void> {
    // A file that cannot be opened emits its error before the loop below reads it; without a listener that ends the process.
    if (bytes instanceof Readable) bytes.on("error", () => undefined);
    await using partial = await this.begin(digest);
    await partial.restart();
    for await (const chunk of bytes) await partial.write(chunk);
    await partial.commit(name, source);
  }

  /**
   * Checks that the store's file system has space for so many more bytes.
   * @throws InputError DISK_FULL with the folder, the bytes needed, the bytes free, and a remedy
   */
  async ensureFreeSpace(neededBytes: number): Promise<void> {
    if (neededBytes > (await freeBytesIn(this.root))) throw await diskFullError(this.root, neededBytes);
  }
}
