/**
 * A file of the store while it is being written, hashed as it grows, and resumable: `tmp/<algorithm>-<hex>.part`, or
 * `tmp/<algorithm>-<hex>.<random>.part` while another process has the first one.
 * Its writer locks it, so that two processes never share one. The next process takes over a file whose writer gave up or was
 * killed. store.ts decides the place of a complete file.
 */
import { createHash, type Hash, randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDiskFullError } from "../../base/no-room.js";
import { BuilderError, InputError } from "../builder-error.js";
import { diskFullError } from "../home/disk-full.js";
import { lockFile } from "../home/owner.js";
import { type Digest, formatDigest } from "../profile/digest.js";

export class PartialFile implements AsyncDisposable {
  readonly #target: string;
  readonly #digest: Digest;
  readonly #path: string;
  readonly #file: FileHandle;
  #hash: Hash;
  #size: number;
  #ended = false;

  private constructor(path: string, target: string, digest: Digest, file: FileHandle) {
    this.#path = path;
    this.#target = target;
    this.#digest = digest;
    this.#file = file;
    this.#hash = createHash(digest.algorithm);
    this.#size = 0;
  }

  /**
   * Takes over the partial file of an earlier try, or begins an empty one.
   * @throws InputError STORE; BuilderError NO_LOCKS
   */
  static async claim(folder: string, target: string, digest: Digest): Promise<PartialFile> {
    const stem = `${digest.algorithm}-${digest.hex}`;
    try {
      const left = (await readdir(folder)).filter((name) => isRest(name, stem));
      for (const name of [...left, ...newNames(stem)]) {
        const path = join(folder, name);
        const file = await openLocked(path, left.includes(name) ? 0 : constants.O_CREAT | constants.O_EXCL);
        if (file === undefined) continue;
        const partial = new PartialFile(path, target, digest, file);
        await partial.#readBack();
        return partial;
      }
      throw new Error(`${NEW_NAMES} new names in ${folder} are all in use`);
    } catch (cause) {
      throw cause instanceof BuilderError ? cause : storeError(folder, cause);
    }
  }

  /** Number of bytes written so far. */
  get size(): number {
    return this.#size;
  }

  /** Appends. @throws InputError DISK_FULL, STORE */
  async write(chunk: Uint8Array): Promise<void> {
    try {
      await this.#file.writeFile(chunk); // appends, and writes the complete chunk
    } catch (cause) {
      // The file may contain bytes of the chunk that are not in the hash.
      await this.#file.truncate(this.#size).catch(() => {});
      throw await this.#writeError(cause, chunk.length);
    }
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /** Discards all bytes. */
  async restart(): Promise<void> {
    await this.#file.truncate(0);
    this.#hash = createHash(this.#digest.algorithm);
    this.#size = 0;
  }

  /**
   * Checks the complete file and moves it into the store.
   * @param name name of the file, for messages @param source where the bytes came from, for messages
   * @throws InputError WRONG_DIGEST, after which no bytes are kept; DISK_FULL, STORE
   */
  async commit(name: string, source: string): Promise<void> {
    const got: Digest = { algorithm: this.#digest.algorithm, hex: this.#hash.copy().digest("hex") };
    if (got.hex !== this.#digest.hex) {
      await this.restart();
      throw new InputError(
        "WRONG_DIGEST",
        `${name}: wrong digest from ${source}\n  expected ${formatDigest(this.#digest)}\n  got      ${formatDigest(got)}`,
        {
          hint: "the file was altered at its source or in transit, and is not kept; set LIVELAB_MIRROR to another mirror",
        },
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

  /** Keeps the bytes for a later try; has no effect after a commit. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#size === 0) await rm(this.#path, { force: true }); // before close(), while the lock is held
    await this.#file.close();
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
    return isDiskFullError(cause) ? await diskFullError(folder, wantedBytes, cause) : storeError(folder, cause);
  }
}

function storeError(folder: string, cause: unknown): InputError {
  return new InputError("STORE", `the store cannot be written: ${(cause as Error).message}`, {
    hint: `check owner and mode of ${folder} (ls -ld)`,
    cause,
  });
}

/** Whether a file name is that of a partial file with the content that `stem` names. */
function isRest(name: string, stem: string): boolean {
  return name.startsWith(`${stem}.`) && /^([0-9a-f]{8}\.)?part$/.test(name.slice(stem.length + 1));
}

/** More than one, because another process that looks for partial files may be the first to lock a new one. */
const NEW_NAMES = 100;
const newNames = (stem: string): string[] => [
  `${stem}.part`,
  ...Array.from({ length: NEW_NAMES }, () => `${stem}.${randomBytes(4).toString("hex")}.part`),
];

/** Opens a file for appending. @returns undefined if another process has it, has moved it, or made it read-only */
async function openLocked(path: string, flags: number): Promise<FileHandle | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDWR | constants.O_APPEND | flags, 0o644);
  } catch (error) {
    const expected = flags === 0 ? ["ENOENT", "EACCES"] : ["EEXIST"];
    if (expected.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
  let locked = false;
  try {
    locked = await lockFile(file.fd, path);
    return locked ? file : undefined;
  } finally {
    if (!locked) await file.close();
  }
}
