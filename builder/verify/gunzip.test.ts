import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type GzipSource, gunzip, gzipBytes } from "./gunzip.js";
import { readUstar, TarBroken } from "./ustar-stream.js";

const test = suite("gunzip");
const complain = (rule: string): void => assert.unreachable(rule);

/** A source that records its streams. */
function watched(bytes: Buffer, stream: Readable): GzipSource & { readonly streams: Readable[] } {
  const streams: Readable[] = [];
  return {
    ...gzipBytes(bytes),
    streams,
    stream: () => {
      streams.push(stream);
      return stream;
    },
  };
}

/** The error of reading all chunks; undefined without an error. */
const errorOf = async (chunks: AsyncIterable<unknown>): Promise<unknown> => {
  try {
    for await (const _ of chunks);
  } catch (error) {
    return error;
  }
  return undefined;
};

test("gunzip throws the error of a source that cannot be read to its end", async () => {
  const packed = gzipSync("x".repeat(1000));
  const cause = new Error("EIO: i/o error, read");
  const source = watched(
    packed,
    Readable.from(
      (async function* () {
        yield packed.subarray(0, 20);
        throw cause;
      })(),
    ),
  );
  assert.is(await errorOf(gunzip(source, complain)), cause);
});

test("gunzip closes its source if the tar stream in it is broken, or if the reader stops early", async () => {
  const packed = gzipSync(Buffer.alloc(2 ** 20, "no tar"), { level: 0 });
  const endless = (): Readable => Readable.from(chunksOf(packed));
  const broken = watched(packed, endless());
  assert.instance(await errorOf(readUstar(gunzip(broken, complain))), TarBroken);
  const left = watched(packed, endless());
  for await (const _ of gunzip(left, complain)) break;
  assert.equal(
    [...broken.streams, ...left.streams].map(({ destroyed }) => destroyed),
    [true, true],
  );
});

async function* chunksOf(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 2 ** 12) yield bytes.subarray(at, at + 2 ** 12);
}

test.run();
