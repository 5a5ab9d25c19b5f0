/**
 * Checks a disk file that the user names. A machine writes to it, so any file that is not clearly a raw or qcow2 disk is
 * refused, with the reason.
 */
import { type FileHandle, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { quoteWord } from "../base/command-line.js";
import { UsageError } from "../base/livelab-error.js";
import { findForeignFormat } from "./foreign-format.js";
import type { DiskSpec } from "./machine-spec.js";
import { isQcow, parseQcow2Header, QCOW2_HEADER_BYTES, type Qcow2Header } from "./qcow2-header.js";

export interface DiskFile extends DiskSpec {
  /** Its backing files, nearest first. QEMU reads from them and never changes them. */
  readonly backing: readonly string[];
  /** Its external data file, if it has one. */
  readonly dataFile: string | undefined;
}

/** The longest supported chain of backing files. */
const MOST_BACKING_FILES = 64;
const SECTOR_BYTES = 512;

/**
 * Checks a disk file and finds its format.
 * @throws UsageError DISK_UNREADABLE if the disk cannot be opened for writing, or a file that it needs is missing;
 * DISK_UNUSABLE if it is not a raw or qcow2 disk
 */
export async function readDiskFile(path: string): Promise<DiskFile> {
  const { kind, size } = await look(path);
  if (kind !== "file") throw unusable(path, `it is ${kind}`, kindRemedies[kind](quoteWord(path)));
  if (size === 0) {
    const hint = `make it a disk of zeros: truncate -s 8G ${quoteWord(path)}`;
    throw unusable(path, "it is empty", hint);
  }
  await using file = await open(path, "r+").catch((cause) => {
    throw unreadable(path, cause);
  });
  const head = await readHead(file);
  if (isQcow(head)) return { path, format: "qcow2", ...(await followHeader(path, head)) };

  const foreign = await findForeignFormat(file, path);
  if (foreign !== undefined) {
    throw unusable(path, `it is ${foreign.what}`, `convert it to a raw or qcow2 disk: ${foreign.remedy}`);
  }
  if (size % SECTOR_BYTES !== 0) {
    throw unusable(
      path,
      `its size, ${size} bytes, is not a multiple of the sector size of a raw disk, ${SECTOR_BYTES} bytes`,
      `if it is a truncated raw disk, pad it: truncate -s %${SECTOR_BYTES} ${quoteWord(path)}`,
    );
  }
  return { path, format: "raw", backing: [], dataFile: undefined };
}

const copyRemedy = (path: string): string => `copy it to a file: qemu-img convert -O qcow2 ${path} disk.qcow2`;
const newRemedy = (): string => "name a raw or qcow2 file, e.g. one made with: qemu-img create -f qcow2 disk.qcow2 8G";
const kindRemedies = {
  "a folder": newRemedy,
  "a block device of this host, and the machine would write to it": copyRemedy,
  "a pipe": newRemedy,
  "a socket": newRemedy,
  "a character device": newRemedy,
} as const;
type Kind = "file" | keyof typeof kindRemedies;

/** Finds the kind of a file without opening it: opening a pipe or a device has side effects. */
async function look(path: string): Promise<{ readonly kind: Kind; readonly size: number }> {
  const found = await stat(path).catch((cause) => {
    throw unreadable(path, cause);
  });
  const { size } = found;
  if (found.isDirectory()) return { kind: "a folder", size };
  if (found.isBlockDevice()) return { kind: "a block device of this host, and the machine would write to it", size };
  if (found.isFIFO()) return { kind: "a pipe", size };
  if (found.isSocket()) return { kind: "a socket", size };
  if (found.isCharacterDevice()) return { kind: "a character device", size };
  return { kind: "file", size };
}

async function followHeader(path: string, head: Buffer): Promise<Pick<DiskFile, "backing" | "dataFile">> {
  const header = parseQcow2Header(head);
  if (header === undefined) return { backing: [], dataFile: undefined };
  const { version, isEncrypted, isCorrupt } = header;
  const word = quoteWord(path);
  if (version === 1) {
    throw unusable(
      path,
      "it is a disk of QEMU's first format (qcow)",
      `qemu-img convert -f qcow -O qcow2 ${word} disk.qcow2`,
    );
  }
  if (version > 3)
    throw unusable(path, `it is qcow2 of version ${version}; QEMU supports versions 2 and 3`, copyRemedy(word));
  if (isEncrypted) {
    throw unusable(
      path,
      "it is encrypted",
      "decrypt it into another file with qemu-img convert and its option --object secret",
    );
  }
  if (isCorrupt) throw unusable(path, "QEMU has marked it as corrupt", `repair it: qemu-img check -r all ${word}`);
  const dataFile = header.dataFile === undefined ? undefined : resolveName(path, header.dataFile, "data file");
  if (dataFile !== undefined) await mustBeThere(path, dataFile, "keeps its data in");
  return { backing: await followBacking(path, header), dataFile };
}

/** Lists all backing files, down to the last. @throws as readDiskFile */
async function followBacking(path: string, header: Qcow2Header): Promise<readonly string[]> {
  const files: string[] = [];
  let [upper, next] = [path, header.backing];
  while (next !== undefined) {
    const below = resolveName(upper, next, "backing file");
    await mustBeThere(path, below, "is an overlay of");
    if (files.includes(below) || files.length >= MOST_BACKING_FILES) {
      throw unusable(
        path,
        `its backing files form a loop, or are more than ${MOST_BACKING_FILES}: ${below}`,
        copyRemedy(quoteWord(path)),
      );
    }
    files.push(below);
    await using file = await open(below, "r").catch((cause) => {
      throw unreadable(path, cause);
    });
    [upper, next] = [below, parseQcow2Header(await readHead(file))?.backing];
  }
  return files;
}

/** Converts a name in a qcow2 header to a path of this host. QEMU reads the text before a colon as a protocol. */
function resolveName(path: string, name: string, what: string): string {
  const protocol = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(name)?.[1];
  if (name === "" || (protocol !== undefined && protocol !== "file")) {
    throw unusable(
      path,
      `its ${what} is not a file of this host: ${name === "" ? "the header does not name it" : name}`,
      copyRemedy(quoteWord(path)),
    );
  }
  return resolve(dirname(path), name.replace(/^file:/, ""));
}

async function mustBeThere(path: string, other: string, does: string): Promise<void> {
  await stat(other).catch((cause) => {
    throw new UsageError("DISK_UNREADABLE", `cannot use the disk ${path}: it ${does} ${other}: ${cause.message}`, {
      cause,
      hint: `restore that file, or set its new path: qemu-img rebase -u -b FILE ${quoteWord(path)}`,
    });
  });
}

async function readHead(file: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(QCOW2_HEADER_BYTES), 0, QCOW2_HEADER_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}

const unusable = (path: string, why: string, hint: string): UsageError =>
  new UsageError("DISK_UNUSABLE", `cannot use the disk ${path}: ${why}`, { hint });

const unreadable = (path: string, cause: Error): UsageError =>
  new UsageError("DISK_UNREADABLE", `cannot use the disk ${path}: ${cause.message}`, {
    cause,
    hint: "name a writable raw or qcow2 file, e.g. one made with: qemu-img create -f qcow2 disk 8G",
  });
