import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Outcome } from "./outcome.js";
import { outcomeLines, summaryLines } from "./report-lines.js";

const test = suite("the lines of a run");

const passed: Outcome = {
  name: "base/format.test.js",
  passed: 4,
  failed: 0,
  problems: [],
  remarks: ["skipped binds port 67: needs root"],
  output: "dots",
  durationMs: 210,
};
const failed: Outcome = {
  ...passed,
  name: "vm/qmp.test.js",
  passed: 3,
  failed: 1,
  problems: ["1 of 4 tests did not pass"],
  output: "  expected 1\n  got 2\n",
};

test("tell a file that passed in one line, with the reasons of what was skipped", () => {
  assert.is(
    outcomeLines(passed),
    "ok    base/format.test.js  4 passed, 0.2 s\n      skipped binds port 67: needs root",
  );
});

test("tell why a file failed, with all its output", () => {
  const lines = outcomeLines(failed);
  assert.match(lines, /^FAIL {2}vm\/qmp\.test\.js {2}3 passed, 1 failed, 0\.2 s$/m);
  assert.match(lines, "1 of 4 tests did not pass");
  assert.match(lines, "got 2");
});

test("end with the sum, after a list of what failed", () => {
  const lines = summaryLines([passed, failed], 12_000).split("\n");
  assert.is(lines.at(-1), "7 passed, 1 failed");
  assert.ok(lines.includes("  vm/qmp.test.js: 1 of 4 tests did not pass"));
});

test("end with the sum when nothing ran", () => {
  assert.is(summaryLines([], 0).split("\n").at(-1), "0 passed, 0 failed");
});

test.run();
