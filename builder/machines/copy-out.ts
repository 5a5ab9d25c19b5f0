/**
 * Copies the files of a folder in a builder machine to the host: as one tar stream through SSH, or over a disk that both
 * can access. The sandbox's files are on the host already: sandbox/copy-layers.ts. The VM uses the disk: an emulated processor encrypts 30 MB/s, but writes 250 MB/s to a disk.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { quoteWord } from "../../base/command-line.js";
import { StageError } from "../builder-error.js";
import type { SshConnection } from "../channel/ssh-connection.js";
import { extractTar } from "../home/tar-stream.js";
import type { CopiedFile } from "./builder-machine.js";

type Shell = Pick<SshConnection, "exec">;

/** Copies a folder as one tar stream through SSH. */
export async function copyOverSsh(ssh: Shell, folder: string, target: string, signal: AbortSignal): Promise<void> {
  const unpack = extractTar(target);
  const unpacked = finished(unpack);
  unpacked.catch(() => undefined); // exec() reports this error first
  const sent = await ssh.exec(`tar -c -C ${quoteWord(folder)} .`, { stdout: unpack, signal });
  // Check the status before ending the stream: the error for an incomplete tar stream would say less.
  if (sent.status !== 0) throw unreadable(folder, sent.stderr);
  unpack.end();
  await unpacked;
}

const BLOCK_BYTES = 2 ** 20;
const BLOCKS = 64;
const PIECE_BYTES = BLOCKS * BLOCK_BYTES;
/** Size of the disk in bytes. It holds two pieces: the machine writes one while livelab reads the other. */
export const OUTBOX_BYTES = 2 * PIECE_BYTES;

interface Piece {
  readonly file: ListedFile;
  /** Of the file's bytes that were copied so far. */
  readonly hash: Hash;
  /** Offset of the piece in the file, in bytes. */
  readonly start: number;
  readonly bytes: number;
}

/**
 * Copies a folder piece by piece over a disk. Implements BuilderMachine.copyOut. The pieces always use the same areas of the
 * disk, so that it stays in the host's page cache and needs no more memory for more files.
 * @param disk a disk of OUTBOX_BYTES: its path on the host and its device in the machine. Its contents are overwritten.
 */
export async function copyOverDisk(
  ssh: Shell,
  disk: { readonly path: string; readonly inside: string },
  folder: string,
  target: string,
  signal: AbortSignal,
): Promise<CopiedFile[]> {
  const send = async ({ file: { path }, start, bytes }: Piece, half: number): Promise<void> => {
    if (bytes === 0) return;
    // oflag=direct bypasses the machine's cache and needs whole blocks: conv=sync pads the last one, receive() skips the pad.
    const sent = await ssh.exec(
      `dd if=${quoteWord(`${folder}/${path}`)} skip=${start / BLOCK_BYTES} of=${disk.inside} seek=${half * BLOCKS} ` +
        `bs=${BLOCK_BYTES} count=${BLOCKS} iflag=fullblock conv=sync oflag=direct status=none`,
      { signal },
    );
    if (sent.status !== 0) throw unreadable(folder, sent.stderr);
  };
  const receive = async ({ file, hash, start, bytes }: Piece, half: number): Promise<void> => {
    const copy = join(target, file.path);
    await mkdir(dirname(copy), { recursive: true });
    const from = half * PIECE_BYTES;
    // "end" is the last byte, inclusive, so it cannot express an empty range.
    const source =
      bytes === 0
        ? Readable.from([])
        : createReadStream(disk.path, { start: from, end: from + bytes - 1, highWaterMark: BLOCK_BYTES });
    async function* hashed(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    }
    await pipeline(source, hashed, createWriteStream(copy, { flags: start === 0 ? "w" : "a" }), { signal }).catch(
      (error) => {
        signal.throwIfAborted(); // pipeline() would throw its own AbortError instead of the reason
        throw error;
      },
    );
  };

  const files = (await listFiles(ssh, folder, signal)).map((file) => ({ file, hash: createHash("sha256") }));
  const pieces = files.flatMap(piecesOf);
  let sending = pieces[0] && send(pieces[0], 0);
  for (const [index, piece] of pieces.entries()) {
    await sending;
    const next = pieces[index + 1];
    sending = next && send(next, (index + 1) % 2);
    sending?.catch(() => undefined); // the next round reports it, unless this one fails
    await receive(piece, index % 2);
  }
  return files.map(({ file: { path, bytes }, hash }) => ({ path, bytes, sha256: hash.digest("hex") }));
}

function piecesOf({ file, hash }: Pick<Piece, "file" | "hash">): Piece[] {
  return Array.from({ length: Math.max(1, Math.ceil(file.bytes / PIECE_BYTES)) }, (_, index) => {
    const start = index * PIECE_BYTES;
    return { file, hash, start, bytes: Math.min(PIECE_BYTES, file.bytes - start) };
  });
}

/** A regular file in a machine. */
export interface ListedFile {
  /** Path relative to the listed folder; it never leads out of it. */
  readonly path: string;
  readonly bytes: number;
  /** Number of its inode, in decimal: it may be larger than a number can express. */
  readonly inode: string;
}

/** Lists the regular files below a folder of a machine. @throws StageError STAGE_OUTPUT */
export async function listFiles(ssh: Shell, folder: string, signal: AbortSignal): Promise<ListedFile[]> {
  const command = `find ${quoteWord(folder)} -type f -printf '%s %i %P\\0'`;
  const { status, stdout, stderr } = await ssh.exec(command, { signal });
  if (status !== 0) throw unreadable(folder, stderr);
  return stdout
    .toString()
    .split("\0")
    .slice(0, -1)
    .map((line) => {
      const [, size, inode, path] = /^(\d+) (\d+) (.+)$/s.exec(line) ?? [];
      // The machine chooses the paths. Refuse any path outside the target.
      if (inode === undefined || path === undefined || path.split("/").includes(".."))
        throw unreadable(folder, `unexpected file name "${line}"`);
      return { path, bytes: Number(size), inode };
    });
}

const unreadable = (folder: string, stderr: string): StageError =>
  new StageError("STAGE_OUTPUT", `cannot copy ${folder} out of the builder machine: ${stderr.trim()}`);
