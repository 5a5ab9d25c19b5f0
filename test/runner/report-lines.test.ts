import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Outcome } from "./outcome.js";
import { outcomeLines, summaryLines } from "./report-lines.js";

const test = suite("the lines of a run");

const passed: Outcome = {
  name: "base/format.test.ts",
  passed: 4,
  failed: 0,
  problems: [],
  remarks: ["skipped binds port 67: needs root"],
  output: "dots",
  durationMs: 210,
  rerun: { command: "npm test --", args: ["base/format.test.ts"] },
};
const failed: Outcome = {
  ...passed,
  name: "vm/qmp.test.ts",
  passed: 3,
  failed: 1,
  problems: ['"ends": expected 1\ngot 2'],
  output: "  expected 1\n  got 2\n",
  rerun: { command: "npm test --", args: ["vm/qmp.test.ts"] },
};
const NPM = "npm test --";
/** The summary of a run of one part. */
const summary = (outcomes: readonly Outcome[], durationMs = 0): string =>
  summaryLines({ outcomes, parts: [{ name: "boot scenarios", durationMs }], durationMs });

test("a file that passed is one line, with the reasons of skipped tests", () => {
  assert.is(
    outcomeLines(passed),
    "ok    base/format.test.ts  4 passed, 0.2 s\n      skipped binds port 67: needs root",
  );
});

test("a file that failed has its problems and its whole output", () => {
  const lines = outcomeLines(failed);
  assert.match(lines, /^FAIL {2}vm\/qmp\.test\.ts {2}3 passed, 1 failed, 0\.2 s$/m);
  assert.match(lines, /^ {6}"ends": expected 1$/m);
  assert.match(lines, "got 2");
});

test("the summary lists what failed and the command that runs it again, and ends with the sum", () => {
  assert.is(
    summary([passed, failed], 12_000),
    [
      "",
      "failed:",
      '  vm/qmp.test.ts: "ends": expected 1',
      "to run just that again:",
      "  npm test -- vm/qmp.test.ts",
      "in 12.0 s",
      "7 passed, 1 failed",
    ].join("\n"),
  );
});

test("the summary names every failed test of a file, and joins items with the same command in one line", () => {
  const outcomes: Outcome[] = [
    { ...failed, problems: ['"one": a', '"two": b'] },
    { ...failed, name: "tidy", rerun: { command: NPM, args: ["--checks"] } },
    { ...failed, name: "neat", rerun: { command: NPM, args: ["--checks"] } },
    { ...failed, name: "livelab test", rerun: { command: "npx livelab test --image out/latest", args: ["two-nics"] } },
    passed,
  ];
  const lines = summary(outcomes).split("\n");
  for (const line of ['  vm/qmp.test.ts: "one": a', '  vm/qmp.test.ts: "two": b'])
    assert.ok(lines.includes(line), line);
  assert.equal(lines.slice(lines.indexOf("to run just that again:") + 1, -2), [
    "  npm test -- vm/qmp.test.ts --checks",
    "  npx livelab test --image out/latest two-nics",
  ]);
});

test("the summary lists the ten slowest of more than ten items, the slowest first", () => {
  const outcomes = Array.from({ length: 12 }, (_, index) => ({
    ...passed,
    name: `${index}`,
    durationMs: index * 1000,
  }));
  const lines = summary(outcomes).split("\n");
  assert.equal(lines.slice(0, 12), [
    "",
    "slowest:",
    "  11.0 s  11",
    "  10.0 s  10",
    ...[9, 8, 7, 6, 5, 4, 3, 2].map((seconds) => `   ${seconds}.0 s  ${seconds}`),
  ]);
  assert.is(lines.at(-1), "48 passed, 0 failed");
  assert.not.match(summary(outcomes.slice(2)), "slowest");
});

test("the summary ends with the sum if nothing ran", () => {
  assert.is(summary([]).split("\n").at(-1), "0 passed, 0 failed");
});

test("the summary of a run of several parts has the time of each", () => {
  const parts = [
    { name: "machine tests", durationMs: 490_000 },
    { name: "boot scenarios", durationMs: 61_000 },
  ];
  const lines = summaryLines({ outcomes: [passed], parts, durationMs: 551_000 });
  assert.match(lines, "parts:\n  8 min 10 s  machine tests\n  1 min 01 s  boot scenarios\nin 9 min 11 s\n");
});

test.run();
