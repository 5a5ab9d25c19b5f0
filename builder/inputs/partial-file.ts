/**
 * A file of the store while it is being written: under tmp/, hashed as it grows, resumable.
 * Its name says who writes it, so that two processes never share one and the rest of a dead one is taken over:
 * `<algorithm>-<hex>.part` is nobody's, `<algorithm>-<hex>.<owner>.part` is a process's.
 * Not here: where a whole file goes and is found (store.ts).
 */
import { createHash, type Hash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isNoRoomError } from "../../vm/no-room.js";
import { InputError } from "../builder-error.js";
import { type Digest, formatDigest } from "./digest.js";
import { diskFullError } from "./disk-full.js";

export class PartialFile implements AsyncDisposable {
  readonly #target: string;
  readonly #digest: Digest;
  readonly #path: string;
  readonly #unownedPath: string;
  readonly #file: FileHandle;
  #hash: Hash;
  #size: number;
  #ended = false;

  private constructor(paths: { target: string; own: string; unowned: string }, digest: Digest, file: FileHandle) {
    this.#target = paths.target;
    this.#path = paths.own;
    this.#unownedPath = paths.unowned;
    this.#digest = digest;
    this.#file = file;
    this.#hash = createHash(digest.algorithm);
    this.#size = 0;
  }

  /** Takes over what an earlier try left of this content, or begins with nothing. */
  static async claim(folder: string, target: string, digest: Digest): Promise<PartialFile> {
    const stem = `${digest.algorithm}-${digest.hex}`;
    const own = join(folder, `${stem}.${thisProcess}-${randomBytes(4).toString("hex")}.part`);
    const unowned = join(folder, `${stem}.part`);
    try {
      for (const name of await readdir(folder)) {
        if (!name.startsWith(`${stem}.`) || !isAbandoned(name.slice(stem.length + 1))) continue;
        // Only one process wins the rename; for the others the file is gone.
        const won = await rename(join(folder, name), own).then(
          () => true,
          () => false,
        );
        if (won) break;
      }
      const partial = new PartialFile({ target, own, unowned }, digest, await open(own, "a+", 0o644));
      await partial.#readBack();
      return partial;
    } catch (cause) {
      throw storeError(folder, cause);
    }
  }

  /** How many bytes are there. */
  get size(): number {
    return this.#size;
  }

  /** Appends. @throws InputError DISK_FULL, STORE */
  async write(chunk: Uint8Array): Promise<void> {
    try {
      await this.#file.writeFile(chunk); // the file is open for appending; writes all of the chunk
    } catch (cause) {
      // Bytes of the chunk may be in the file that the hash has not seen.
      await this.#file.truncate(this.#size).catch(() => {});
      throw await this.#writeError(cause, chunk.length);
    }
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /** Throws away what is there. */
  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = createHash(this.#digest.algorithm);
    this.#size = 0;
  }

  /**
   * Checks the whole and moves it into the store.
   * @param name @param source for messages: what it is and where the bytes came from
   * @throws InputError WRONG_DIGEST, after which nothing of the bytes is kept; DISK_FULL, STORE
   */
  async commit(name: string, source: string): Promise<void> {
    const got: Digest = { algorithm: this.#digest.algorithm, hex: this.#hash.copy().digest("hex") };
    if (got.hex !== this.#digest.hex) {
      await this.restart();
      throw new InputError(
        "WRONG_DIGEST",
        `${name}: wrong digest from ${source}\n  expected ${formatDigest(this.#digest)}\n  got      ${formatDigest(got)}`,
        { hint: "the source or the way to it altered the file; nothing of it was kept. Try another LIVELAB_MIRROR" },
      );
    }
    try {
      await this.#file.chmod(0o444);
      await this.#file.sync();
      await mkdir(dirname(this.#target), { recursive: true });
      await rename(this.#path, this.#target);
    } catch (cause) {
      throw await this.#writeError(cause, 0);
    }
    this.#ended = true;
    await this.#file.close();
  }

  /** Leaves what is there for a later try; does nothing after a commit. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#file.close();
    if (this.#size === 0) await rm(this.#path, { force: true });
    else await rename(this.#path, this.#unownedPath).catch(() => {});
  }

  async #readBack(): Promise<void> {
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (;;) {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#size);
      if (bytesRead === 0) return;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#size += bytesRead;
    }
  }

  async #writeError(cause: unknown, wantedBytes: number): Promise<InputError> {
    const folder = dirname(this.#path);
    return isNoRoomError(cause) ? await diskFullError(folder, wantedBytes, cause) : storeError(folder, cause);
  }
}

function storeError(folder: string, cause: unknown): InputError {
  return new InputError("STORE", `the store cannot be written: ${(cause as Error).message}`, {
    hint: `check the folder ${folder} and its owner`,
    cause,
  });
}

/**
 * Who this process is: the boot of the kernel, the PID namespace and the PID, since containers and hosts
 * may share a store and a PID alone means nothing to them.
 */
const machinePart = `${readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 8)}-${readlinkSync("/proc/self/ns/pid").replace(/\D/g, "")}`;
const thisProcess = `${machinePart}-${process.pid}`;

/** Whether the rest of a file's name says that nobody writes it any more. */
function isAbandoned(suffix: string): boolean {
  if (suffix === "part") return true;
  const match = /^(.+)-(\d+)-[0-9a-f]{8}\.part$/.exec(suffix);
  if (match === null || match[1] !== machinePart) return false;
  try {
    process.kill(Number(match[2]), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
