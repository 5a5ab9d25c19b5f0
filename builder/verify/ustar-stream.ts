/**
 * Reads a tar stream header by header. A library would hide the facts that the rules check: the form of the headers, and
 * whether they contain extensions to ustar.
 * Source: POSIX.1-2017 pax, "ustar Interchange Format".
 */
import { BlockReader } from "./block-reader.js";

export interface UstarHeader {
  readonly name: string;
  /** "0" for a file, "5" for a folder. */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Length of the content in bytes. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly userName: string;
  readonly groupName: string;
  /** Whether magic and version are those of ustar, numbers are octal digits, and the checksum is right. */
  readonly isUstar: boolean;
}

/** The stream is not a tar stream, or ends too early. */
export class TarBroken extends Error {}

const BLOCK = 512;

const text = (block: Buffer, start: number, length: number): string => {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end === -1 ? length : end);
};

/** Sum of all bytes of a header; the bytes of its checksum field count as spaces. */
function checksum(block: Buffer): number {
  let sum = 0;
  for (const [index, byte] of block.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte;
  return sum;
}

function parseHeader(block: Buffer): UstarHeader {
  let isUstar = block.toString("latin1", 257, 265) === "ustar\x0000";
  const number = (start: number, length: number): number => {
    const digits = text(block, start, length).trim();
    if (!/^[0-7]*$/.test(digits)) isUstar = false;
    return digits === "" ? 0 : Number.parseInt(digits, 8) || 0;
  };
  const prefix = text(block, 345, 155);
  const header = {
    name: (prefix === "" ? "" : `${prefix}/`) + text(block, 0, 100),
    type: block.toString("latin1", 156, 157),
    mode: number(100, 8),
    uid: number(108, 8),
    gid: number(116, 8),
    size: number(124, 12),
    mtime: number(136, 12),
    userName: text(block, 265, 32),
    groupName: text(block, 297, 32),
  };
  if (number(148, 8) !== checksum(block))
    throw new TarBroken(`the header of ${JSON.stringify(header.name)} has a wrong checksum`);
  return { ...header, isUstar };
}

/**
 * Yields the members of a tar stream in order. Read a member's content before the next member; unread content is skipped.
 * The stream is closed at the end, also if the reader stops early.
 * @throws TarBroken also for non-zero bytes after the end
 */
export async function* readUstar(
  stream: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly header: UstarHeader; readonly content: AsyncIterable<Buffer> }> {
  const reader = new BlockReader(stream);
  try {
    for (;;) {
      const block = await reader.take(BLOCK);
      if (block.length < BLOCK)
        throw new TarBroken("the archive ends without the two blocks of zeros that end a tar stream");
      if (block.every((byte) => byte === 0)) break;
      const header = parseHeader(block);
      let left = header.size;
      const content = (async function* () {
        while (left > 0) {
          const part = await reader.some(left);
          if (part.length === 0) throw new TarBroken(`the archive ends within ${header.name}`);
          left -= part.length;
          yield part;
        }
      })();
      yield { header, content };
      for await (const _ of content);
      const padding = await reader.take((BLOCK - (header.size % BLOCK)) % BLOCK);
      if (padding.some((byte) => byte !== 0)) throw new TarBroken(`non-zero bytes after ${header.name}`);
    }
    let zeros = BLOCK;
    for (let part = await reader.some(2 ** 20); part.length > 0; part = await reader.some(2 ** 20)) {
      zeros += part.length;
      if (part.some((byte) => byte !== 0)) throw new TarBroken("non-zero bytes after the end of the tar stream");
    }
    if (zeros < 2 * BLOCK) throw new TarBroken("the tar stream ends with one block of zeros instead of two");
  } finally {
    await reader.close();
  }
}
