import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecordSplitter, recordOf } from "./frame-stream.js";

const test = suite("frame-stream");

/** The frames of a stream that arrives in chunks of `size` bytes. */
function framesIn(stream: Buffer, size: number): Buffer[] {
  const splitter = new RecordSplitter();
  const frames: Buffer[] = [];
  for (let start = 0; start < stream.length; start += size) {
    splitter.push(stream.subarray(start, start + size), (record) => frames.push(record.subarray(4)));
  }
  return frames;
}

test("RecordSplitter splits a stream into its frames, wherever a chunk ends", () => {
  const frames = [Buffer.from("one"), Buffer.alloc(0), Buffer.alloc(9_014, 7), Buffer.from("four")];
  const stream = Buffer.concat(frames.map(recordOf));
  for (const size of [1, 2, 3, 5, 4_096, stream.length]) assert.equal(framesIn(stream, size), frames, `${size} bytes`);
});

test("RecordSplitter rejects a length that no frame has", () => {
  assert.throws(() => new RecordSplitter().push(Buffer.from("GET / HTTP"), () => {}), /a frame of \d+ bytes/);
});

test.run();
