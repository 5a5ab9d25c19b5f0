/**
 * Copies the files of a folder of a builder machine to the host: as one tar stream through SSH, or over a disk that
 * both can reach. The disk is the VM's way: an emulated processor enciphers 30 MB/s, and writes 250 MB/s to a disk.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { finished, pipeline } from "node:stream/promises";
import { quoteWord } from "../../base/command-line.js";
import { StageError } from "../builder-error.js";
import type { SshConnection } from "../channel/ssh-connection.js";
import { extractTar } from "../home/tar-stream.js";

type Shell = Pick<SshConnection, "exec">;

/** For BuilderMachine.copyOut. */
export async function copyOverSsh(ssh: Shell, folder: string, target: string, signal: AbortSignal): Promise<void> {
  const unpack = extractTar(target);
  const unpacked = finished(unpack);
  unpacked.catch(() => undefined); // exec() tells of it first
  const sent = await ssh.exec(`tar -c -C ${quoteWord(folder)} .`, { stdout: unpack, signal });
  // Before its end is told: half a tar stream is an error of its own, which would tell less.
  if (sent.status !== 0) throw unreadable(folder, sent.stderr);
  unpack.end();
  await unpacked;
}

const BLOCK_BYTES = 2 ** 20;
const BLOCKS = 64;
const PIECE_BYTES = BLOCKS * BLOCK_BYTES;
/** The disk holds two pieces: the machine writes one while the other is read here. */
export const OUTBOX_BYTES = 2 * PIECE_BYTES;

interface Piece {
  /** Below the folder. */
  readonly path: string;
  /** Where in the file it begins. */
  readonly start: number;
  readonly bytes: number;
}

/**
 * For BuilderMachine.copyOut. Piece by piece, always over the same places of the disk: so it stays in the host's memory,
 * and is in neither's way however much is copied.
 * @param disk of OUTBOX_BYTES: its path here, and its device in the machine; what it held is lost
 */
export async function copyOverDisk(
  ssh: Shell,
  disk: { readonly path: string; readonly inside: string },
  folder: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const send = async ({ path, start, bytes }: Piece, half: number): Promise<void> => {
    if (bytes === 0) return;
    // Past the machine's own cache, hence whole blocks: what is too much of the last one nobody reads.
    const sent = await ssh.exec(
      `dd if=${quoteWord(`${folder}/${path}`)} skip=${start / BLOCK_BYTES} of=${disk.inside} seek=${half * BLOCKS} ` +
        `bs=${BLOCK_BYTES} count=${BLOCKS} iflag=fullblock conv=sync oflag=direct status=none`,
      { signal },
    );
    if (sent.status !== 0) throw unreadable(folder, sent.stderr);
  };
  const receive = async ({ path, start, bytes }: Piece, half: number): Promise<void> => {
    const file = join(target, path);
    await mkdir(dirname(file), { recursive: true });
    const from = half * PIECE_BYTES;
    // "end" is the last byte, so nothing is asked for by one that is before the first.
    const source =
      bytes === 0
        ? []
        : createReadStream(disk.path, { start: from, end: from + bytes - 1, highWaterMark: BLOCK_BYTES });
    await pipeline(source, createWriteStream(file, { flags: start === 0 ? "w" : "a" }), { signal }).catch((error) => {
      signal.throwIfAborted(); // pipeline() has an error of its own for that
      throw error;
    });
  };

  const pieces = await listPieces(ssh, folder, signal);
  let sending = pieces[0] && send(pieces[0], 0);
  for (const [index, piece] of pieces.entries()) {
    await sending;
    const next = pieces[index + 1];
    sending = next && send(next, (index + 1) % 2);
    sending?.catch(() => undefined); // told in the next round, unless this one fails
    await receive(piece, index % 2);
  }
}

async function listPieces(ssh: Shell, folder: string, signal: AbortSignal): Promise<Piece[]> {
  const { status, stdout, stderr } = await ssh.exec(`find ${quoteWord(folder)} -type f -printf '%s %P\\0'`, { signal });
  if (status !== 0) throw unreadable(folder, stderr);
  return stdout
    .toString()
    .split("\0")
    .slice(0, -1)
    .flatMap((line) => {
      const [, size, path] = /^(\d+) (.+)$/s.exec(line) ?? [];
      // The machine says what is written where, and must not say anything outside the target.
      if (path === undefined || path.split("/").includes("..")) throw unreadable(folder, `it has a file "${line}"`);
      const count = Math.max(1, Math.ceil(Number(size) / PIECE_BYTES));
      return Array.from({ length: count }, (_, index): Piece => {
        const start = index * PIECE_BYTES;
        return { path, start, bytes: Math.min(PIECE_BYTES, Number(size) - start) };
      });
    });
}

const unreadable = (folder: string, stderr: string): StageError =>
  new StageError("STAGE_OUTPUT", `${folder} could not be copied out of the builder machine: ${stderr.trim()}`);
