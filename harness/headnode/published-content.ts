/** Opens a published file, or bytes from memory, for one transfer by HTTP or TFTP. */
import { open } from "node:fs/promises";
import { Readable } from "node:stream";

export type PublishedContent =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "bytes"; readonly bytes: Buffer };

/** Maps a URL path, with its leading slash, to content. Called for each request, since the tree may name the server's port. */
export type FindContent = (path: string) => PublishedContent | undefined;

export interface OpenContent extends AsyncDisposable {
  readonly sizeBytes: number;
  /** @param last index of the last byte, inclusive */
  stream(first: number, last: number): Readable;
  /** @returns fewer bytes only at the end */
  read(offset: number, length: number): Promise<Buffer>;
}

/** Size of one read from disk, in bytes: one read serves hundreds of TFTP blocks. */
const READ_AHEAD_BYTES = 1 << 20;

/** @returns undefined for undefined content, or if the file was deleted or cannot be read: servers then answer "not found" */
export async function openContent(content: PublishedContent | undefined): Promise<OpenContent | undefined> {
  if (content === undefined) return undefined;
  if (content.kind === "bytes") {
    const { bytes } = content;
    return {
      sizeBytes: bytes.length,
      stream: (first, last) => Readable.from([bytes.subarray(first, last + 1)]),
      read: async (offset, length) => bytes.subarray(offset, offset + length),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }
  const file = await open(content.path).catch(() => undefined);
  if (file === undefined) return undefined;
  const sizeBytes = await file.stat().then(
    ({ size }) => size,
    () => undefined,
  );
  const close = (): Promise<void> => file.close().catch(() => undefined); // opened for reading, so no data can be lost
  if (sizeBytes === undefined) {
    await close();
    return undefined;
  }
  let ahead = { start: 0, bytes: Buffer.alloc(0) };
  return {
    sizeBytes,
    stream: (first, last) =>
      file.createReadStream({ start: first, end: last, autoClose: false, highWaterMark: 1 << 18 }),
    read: async (offset, length) => {
      if (offset < ahead.start || offset + length > ahead.start + ahead.bytes.length) {
        const buffer = Buffer.allocUnsafe(Math.max(length, READ_AHEAD_BYTES));
        const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
        ahead = { start: offset, bytes: buffer.subarray(0, bytesRead) };
      }
      return ahead.bytes.subarray(offset - ahead.start, offset - ahead.start + length);
    },
    [Symbol.asyncDispose]: close,
  };
}
