/**
 * Reads a gzip file as livelab's stages write it: one member, no name, no time.
 * Source: RFC 1952.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Complain } from "./violation.js";

/** What a gzip file is read from. */
export interface GzipSource {
  readonly bytes: number;
  /** @param start offset of the first byte wanted @param end offset behind the last one */
  read(start: number, end: number): Promise<Buffer>;
  stream(): Readable;
}

/** @param signal ends the reading of its stream */
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
 * What is compressed in it; what is wrong with the form is complained of. Its stream is closed at the end, whoever ends it.
 * @throws what is no gzip (code Z_…), and errors of the source
 */
export async function* gunzip(source: GzipSource, complain: Complain): AsyncGenerator<Buffer> {
  const head = await source.read(0, 10);
  // Magic, method 8 (deflate), no flags, no time; the last two bytes tell level and system.
  if (!head.subarray(0, 8).equals(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]))) {
    complain("the gzip header has neither name nor time", `it begins with ${head.toString("hex")}`);
  }
  let total = 0;
  const packed = source.stream();
  // An error of either ends both, and the loop is told of it.
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
      "it is one gzip member and nothing behind it",
      `its last four bytes, which \`gzip -l\` goes by, tell of ${stated} bytes, and it holds ${total}: an installer that asks for the size first is misled`,
    );
  }
}
