/**
 * Reads a gzip file in the form of livelab's stages: one member without name and time.
 * Source: RFC 1952.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Complain } from "./violation.js";

/** The source of a gzip file. */
export interface GzipSource {
  readonly bytes: number;
  /** Reads a range. @param start offset of the first byte @param end offset after the last byte */
  read(start: number, end: number): Promise<Buffer>;
  stream(): Readable;
}

/** Opens a file as a source. @param signal aborts the reading of its stream */
export async function gzipFile(path: string, signal?: AbortSignal): Promise<GzipSource & AsyncDisposable> {
  const file = await open(path);
  return {
    bytes: (await file.stat()).size,
    read: async (start, end) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
      return buffer.subarray(0, bytesRead);
    },
    stream: () => createReadStream(path, { highWaterMark: 2 ** 20, ...(signal && { signal }) }),
    [Symbol.asyncDispose]: () => file.close(),
  };
}

export const gzipBytes = (bytes: Buffer): GzipSource => ({
  bytes: bytes.length,
  read: async (start, end) => bytes.subarray(start, end),
  stream: () => Readable.from([bytes]),
});

/**
 * Yields the decompressed content, and reports deviations from the form to `complain`. It closes the source's stream at the
 * end, also if the reader stops early.
 * @throws Error with code Z_… for data that is not gzip; errors of the source
 */
export async function* gunzip(source: GzipSource, complain: Complain): AsyncGenerator<Buffer> {
  const head = await source.read(0, 10);
  // Magic, method 8 (deflate), no flags, no time; the last two bytes are level and system.
  if (!head.subarray(0, 8).equals(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]))) {
    complain("the gzip header has neither name nor time", `it begins with ${head.toString("hex")}`);
  }
  let total = 0;
  const packed = source.stream();
  // An error of either stream ends both, and the loop below throws it.
  const unpacked = pipeline(packed, createGunzip({ chunkSize: 2 ** 18 }), () => undefined);
  try {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) {
      total += chunk.length;
      yield chunk;
    }
  } finally {
    packed.destroy();
  }
  const stated = (await source.read(source.bytes - 4, source.bytes)).readUInt32LE();
  if (stated !== total % 2 ** 32) {
    complain(
      "it is one gzip member with nothing after it",
      `its last four bytes, which \`gzip -l\` reads, give a size of ${stated} bytes, but it contains ${total}: an installer that reads the size first gets a wrong one`,
    );
  }
}
