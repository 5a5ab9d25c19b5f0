/** What the rules need to know of one file, taken from its bytes as they pass by. */
import { createHash } from "node:crypto";

export interface FileFacts {
  readonly bytes: number;
  readonly sha1: string;
  readonly sha256: string;
  /** Its beginning, at most HEAD_BYTES. */
  readonly head: Buffer;
  /** All of it, where it was asked for and is not larger than KEPT_BYTES. */
  readonly content: Buffer | undefined;
}

/** A kernel tells its version within the first 64 KiB. */
const HEAD_BYTES = 2 ** 16;
/** The lists and build.tgz have a few MiB. */
const KEPT_BYTES = 64 * 2 ** 20;

export async function readFacts(stream: AsyncIterable<Buffer>, keep: boolean): Promise<FileFacts> {
  const sha1 = createHash("sha1");
  const sha256 = createHash("sha256");
  const kept: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    sha1.update(chunk);
    sha256.update(chunk);
    const room = (keep ? KEPT_BYTES : HEAD_BYTES) - bytes;
    if (room > 0) kept.push(Buffer.from(chunk.subarray(0, room)));
    bytes += chunk.length;
  }
  const all = Buffer.concat(kept);
  return {
    bytes,
    sha1: sha1.digest("hex"),
    sha256: sha256.digest("hex"),
    head: all.subarray(0, HEAD_BYTES),
    content: all.length === bytes ? all : undefined,
  };
}
