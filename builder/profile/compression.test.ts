import { suite } from "uvu";
import * as assert from "uvu/assert";
import { squashfsOptions, withCompression } from "./compression.js";
import { loadProfile } from "./profiles.js";

const test = suite("compression");
const codeOf = (work: () => unknown): string | undefined => {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
};

test("a compression becomes options of mksquashfs, with or without a level", () => {
  assert.equal(squashfsOptions("gzip"), ["-comp", "gzip"]);
  assert.equal(squashfsOptions("xz"), ["-comp", "xz"]);
  assert.equal(squashfsOptions("zstd:19"), ["-comp", "zstd", "-Xcompression-level", "19"]);
});

test("a compression that mksquashfs would reject is an error", () => {
  for (const text of [
    "",
    "lz5",
    "zstd:",
    "zstd:0",
    "zstd:23",
    "gzip:10",
    "xz:6",
    "zstd:3:4",
    "zstd:3 -b 1M",
    "toString",
  ]) {
    assert.is(
      codeOf(() => squashfsOptions(text)),
      "BAD_COMPRESSION",
      text,
    );
  }
  assert.is(
    codeOf(() => withCompression(loadProfile("buster"), "zstd")),
    "BAD_COMPRESSION",
  );
});

test("a profile keeps its compression if none is requested", () => {
  const profile = loadProfile("bookworm");
  assert.is(withCompression(profile, undefined), profile);
  assert.equal(withCompression(profile, "gzip:1").tools, {
    ...profile.tools,
    squashfsOptions: ["-comp", "gzip", "-Xcompression-level", "1"],
  });
});

test.run();
