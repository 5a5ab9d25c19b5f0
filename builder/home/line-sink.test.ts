import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { lineSink } from "./line-sink.js";

const test = suite("line sink");

test("passes bytes on and reports complete lines, also torn or redrawn ones and a last one without an end", async () => {
  const target = new PassThrough();
  const lines: string[] = [];
  const sink = lineSink(target, (line) => lines.push(line));
  const passed = buffer(target);
  for (const chunk of ["one\ntw", "o\n10%\r", "20%\rdone\n", "rest"]) sink.write(chunk);
  sink.end();
  assert.is((await passed).toString(), "one\ntwo\n10%\r20%\rdone\nrest");
  assert.equal(lines, ["one", "two", "done", "rest"]);
});

test("decodes a character that is split between two chunks", async () => {
  const lines: string[] = [];
  const sink = lineSink(new PassThrough().resume(), (line) => lines.push(line));
  const bytes = Buffer.from("naïve\n");
  sink.write(bytes.subarray(0, 3));
  sink.end(bytes.subarray(3));
  await finished(sink, { readable: false });
  assert.equal(lines, ["naïve"]);
});

test("fails with the target's error if the disk is full", async () => {
  const target = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error("full"), { code: "ENOSPC" })),
  });
  const sink = lineSink(target, () => {});
  const failure = finished(sink).then(
    () => undefined,
    (error: Error) => error.message,
  );
  sink.write("x");
  assert.is(await failure, "full");
});

test("a target that fails before a listener is added fails the sink, and does not end the process", async () => {
  await using dir = await TempDir.create("line-sink");
  const sink = lineSink(createWriteStream(join(dir.path, "missing/log")), () => {});
  await sleep(50);
  const error = await finished(sink).catch((thrown: NodeJS.ErrnoException) => thrown);
  assert.is(error?.code, "ENOENT");
  sink.end("late");
});

test("destroying the sink destroys its target", async () => {
  const target = new PassThrough();
  const ended = finished(target).catch((error: Error) => error.message);
  lineSink(target, () => {}).destroy(new Error("given up"));
  assert.is(await ended, "given up");
});

test.run();
