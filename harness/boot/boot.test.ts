import { PassThrough } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bootImage } from "./boot.js";

const test = suite("boot");

test("commands together with a terminal are rejected", async () => {
  const options = { imageDir: "/nonexistent", reportDir: "/nonexistent", stateDir: "/nonexistent" };
  const terminal = { stdin: new PassThrough() as unknown as NodeJS.ReadStream, stdout: new PassThrough() };
  const signal = AbortSignal.timeout(5_000);
  const codeFor = (run: readonly string[]): Promise<string> =>
    bootImage({ ...options, run }, { signal, terminal }).then(
      () => "none",
      ({ kind, code }: { kind: string; code: string }) => `${kind} ${code}`,
    );
  assert.is(await codeFor(["true"]), "usage RUN_NEEDS_THE_CONSOLE");
  assert.is(await codeFor([]), "usage IMAGE_INCOMPLETE"); // the next check
});

test.run();
