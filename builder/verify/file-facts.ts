/** Facts about one file that the rules need, computed while its bytes stream by. */
import { createHash } from "node:crypto";

export interface FileFacts {
  readonly bytes: number;
  readonly sha1: string;
  readonly sha256: string;
  /** Its beginning, at most HEAD_BYTES. */
  readonly head: Buffer;
  /** The whole content, if the caller requested it and it is not larger than KEPT_BYTES. */
  readonly content: Buffer | undefined;
}

/** The first 64 KiB of a kernel contain its version. */
const HEAD_BYTES = 2 ** 16;
/** The lists and build.tgz are a few MiB long. */
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
