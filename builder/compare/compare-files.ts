/** Compares two files byte by byte. */
import { type FileHandle, open } from "node:fs/promises";

export interface FileDifference {
  /** Sizes of both files in bytes. */
  readonly bytes: readonly [number, number];
  /** Offset of the first byte that differs, or the length of the shorter file if it is the beginning of the other. */
  readonly offset: number;
}

const CHUNK = 2 ** 20;

/** Compares two files. @returns undefined if they are equal @throws the signal's reason */
export async function compareFiles(
  one: string,
  two: string,
  signal?: AbortSignal,
): Promise<FileDifference | undefined> {
  await using first = await open(one);
  await using second = await open(two);
  const bytes = [(await first.stat()).size, (await second.stat()).size] as const;
  for (let offset = 0; offset < Math.min(...bytes); offset += CHUNK) {
    signal?.throwIfAborted();
    const [a, b] = [await readAt(first, offset), await readAt(second, offset)];
    if (a.equals(b)) continue;
    const length = Math.min(a.length, b.length);
    const place = a.subarray(0, length).findIndex((byte, index) => byte !== b[index]);
    return { bytes, offset: offset + (place === -1 ? length : place) };
  }
  return bytes[0] === bytes[1] ? undefined : { bytes, offset: Math.min(...bytes) };
}

async function readAt(file: FileHandle, offset: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(CHUNK), 0, CHUNK, offset);
  return buffer.subarray(0, bytesRead);
}
