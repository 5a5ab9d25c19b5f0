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

test("tell a file that passed in one line, with the reasons of what was skipped", () => {
  assert.is(
    outcomeLines(passed),
    "ok    base/format.test.ts  4 passed, 0.2 s\n      skipped binds port 67: needs root",
  );
});

test("tell why a file failed, with all its output", () => {
  const lines = outcomeLines(failed);
  assert.match(lines, /^FAIL {2}vm\/qmp\.test\.ts {2}3 passed, 1 failed, 0\.2 s$/m);
  assert.match(lines, /^ {6}"ends": expected 1$/m);
  assert.match(lines, "got 2");
});

test("end with the sum, after a list of what failed and the command that runs it again", () => {
  assert.is(
    summaryLines([passed, failed], 12_000),
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

test("name every failed test of a file, and run again with one line what the same command runs", () => {
  const outcomes: Outcome[] = [
    { ...failed, problems: ['"one": a', '"two": b'] },
    { ...failed, name: "tidy", rerun: { command: NPM, args: ["--checks"] } },
    { ...failed, name: "neat", rerun: { command: NPM, args: ["--checks"] } },
    { ...failed, name: "livelab test", rerun: { command: "npx livelab test --image out/latest", args: ["two-nics"] } },
    passed,
  ];
  const lines = summaryLines(outcomes, 0).split("\n");
  for (const line of ['  vm/qmp.test.ts: "one": a', '  vm/qmp.test.ts: "two": b'])
    assert.ok(lines.includes(line), line);
  assert.equal(lines.slice(lines.indexOf("to run just that again:") + 1, -2), [
    "  npm test -- vm/qmp.test.ts --checks",
    "  npx livelab test --image out/latest two-nics",
  ]);
});

test("list the ten slowest of more than ten, the slowest first", () => {
  const outcomes = Array.from({ length: 12 }, (_, index) => ({
    ...passed,
    name: `${index}`,
    durationMs: index * 1000,
  }));
  const lines = summaryLines(outcomes, 0).split("\n");
  assert.equal(lines.slice(0, 12), [
    "",
    "slowest:",
    "  11.0 s  11",
    "  10.0 s  10",
    ...[9, 8, 7, 6, 5, 4, 3, 2].map((seconds) => `   ${seconds}.0 s  ${seconds}`),
  ]);
  assert.is(lines.at(-1), "48 passed, 0 failed");
  assert.not.match(summaryLines(outcomes.slice(2), 0), "slowest");
});

test("end with the sum when nothing ran", () => {
  assert.is(summaryLines([], 0).split("\n").at(-1), "0 passed, 0 failed");
});

test.run();
