/**
 * Copies files of a sandbox from its layers on the host, without passing their bytes through the machine.
 * The machine says which files there are, because overlayfs combines layers by rules that the host cannot see in them: an
 * attribute can hide what lies below, or stand for data of another layer. A file is taken from a layer only if its inode is
 * the one that the machine sees.
 * Source: Documentation/filesystems/overlayfs.rst, "Inode properties" (st_ino of a file, with all layers on one file system).
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, lstat, mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CopiedFile } from "../builder-machine.js";
import type { ListedFile } from "../copy-out.js";

/** A file of a machine, and where the host has it. */
export interface FoundFile {
  /** Path relative to the machine's folder. */
  readonly path: string;
  readonly bytes: number;
  /** Its file in a layer. */
  readonly source: string;
}

/**
 * Finds files of a machine in its layers.
 * @param folder folder of the files, relative to the root of each layer
 * @param layers folders of the layers, the topmost first
 * @returns undefined if a file's inode is in no layer, e.g. because the layers are on several file systems
 */
export async function findInLayers(
  files: readonly ListedFile[],
  folder: string,
  layers: readonly string[],
): Promise<FoundFile[] | undefined> {
  const found: FoundFile[] = [];
  for (const { path, bytes, inode } of files) {
    const source = await topmost(layers.map((layer) => join(layer, folder, path)));
    if (source?.inode !== inode) return undefined;
    found.push({ path, bytes, source: source.path });
  }
  return found;
}

/** The first of the paths that exists. */
async function topmost(paths: readonly string[]): Promise<{ path: string; inode: string } | undefined> {
  for (const path of paths) {
    const entry = await lstat(path, { bigint: true }).catch(() => undefined);
    if (entry !== undefined) return { path, inode: String(entry.ino) };
  }
  return undefined;
}

/** Size of one read, in bytes. With Node's default of 64 KiB a digest takes 1.5 times as long. */
const READ_BYTES = 2 ** 20;

/** How many files are copied at once: one thread computes a digest while others read and write. */
const AT_ONCE = 2;

/**
 * Copies files to an existing folder. The copies share disk space with the layers where the file system can (reflinks), but
 * never a file: a change of a copy changes no layer.
 * @param target @default only the digests are computed
 * @throws errors of the file system; the reason of the signal
 */
export async function copyFound(
  files: readonly FoundFile[],
  target: string | undefined,
  signal: AbortSignal,
): Promise<CopiedFile[]> {
  const copied: CopiedFile[] = [];
  const waiting = [...files].sort((a, b) => b.bytes - a.bytes); // so that no large file is left for the end
  const work = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      try {
        copied.push({ path: file.path, ...(await copyWithDigest(file, target, signal)) });
      } catch (error) {
        waiting.length = 0;
        throw error;
      }
    }
  };
  // Wait for all: the caller removes the folder after a failure.
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, work));
  for (const each of ended) if (each.status === "rejected") throw each.reason;
  return copied;
}

/** Copies a file and computes its digest in one pass. */
async function copyWithDigest(
  { path, source }: FoundFile,
  target: string | undefined,
  signal: AbortSignal,
): Promise<Pick<CopiedFile, "bytes" | "sha256">> {
  const copy = target === undefined ? undefined : join(target, path);
  if (copy !== undefined) await mkdir(dirname(copy), { recursive: true });
  await using from = await open(source);
  await using to = copy === undefined || (await isCloned(source, copy)) ? undefined : await open(copy, "w");
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  let bytes = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await from.read(buffer, 0, READ_BYTES);
    if (bytesRead === 0) return { bytes, sha256: hash.digest("hex") };
    const piece = buffer.subarray(0, bytesRead);
    const written = to?.writeFile(piece);
    hash.update(piece); // while another thread writes
    await written;
    bytes += bytesRead;
  }
}

/** Tries to copy a file as a reflink. Whatever prevents a copy as well is an error of the copy. */
const isCloned = (source: string, copy: string): Promise<boolean> =>
  copyFile(source, copy, constants.COPYFILE_FICLONE_FORCE).then(
    () => true,
    () => false,
  );
