import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatBytes, formatDuration } from "./format.js";

const test = suite("numbers as people read them");

test("formatBytes() uses the largest binary unit of at least 1, with one decimal below 10", () => {
  const cases: [bytes: number, text: string][] = [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [10 * 1024, "10 KiB"],
    [265 * 1024 ** 2, "265 MiB"],
    [2 * 1024 ** 3, "2.0 GiB"],
    [5000 * 1024 ** 4, "5000 TiB"],
  ];
  for (const [bytes, text] of cases) assert.is(formatBytes(bytes), text);
});

test("formatDuration() uses seconds with one decimal, and from a minute on minutes and whole seconds", () => {
  const cases: [ms: number, text: string][] = [
    [0, "0.0 s"],
    [41_234, "41.2 s"],
    [59_949, "59.9 s"],
    [59_950, "1 min 00 s"], // never "60.0 s"
    [125_000, "2 min 05 s"],
    [3_600_000, "60 min 00 s"],
  ];
  for (const [ms, text] of cases) assert.is(formatDuration(ms), text);
});

test.run();
