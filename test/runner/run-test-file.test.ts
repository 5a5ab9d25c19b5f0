import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import type { Outcome } from "./outcome.js";
import { runTestFile } from "./run-test-file.js";

const test = suite("a file of tests");

/** Runs one of the misbehaving suites in fixtures/uvu. */
const run = (fixture: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<Outcome> =>
  runTestFile(join(findProjectRoot(), "fixtures/uvu", `${fixture}.mjs`), {
    name: fixture,
    timeoutMs: 20_000,
    graceMs: 300,
    env: process.env,
    ...options,
  });

/** Fails it must, and say why; a fixture that passes is a hole in the guard. */
async function mustFail(
  fixture: string,
  says: RegExp,
  counts: { passed: number; failed: number },
  inspect: (outcome: Outcome) => void = () => {},
): Promise<void> {
  const outcome = await run(fixture);
  assert.match(outcome.problems.join("; "), says, outcome.output);
  assert.equal({ passed: outcome.passed, failed: outcome.failed }, counts);
  inspect(outcome);
}

test("passes with its count when all its tests pass", async () => {
  const { passed, failed, problems, remarks } = await run("passes");
  assert.equal({ passed, failed, problems, remarks }, { passed: 2, failed: 0, problems: [], remarks: [] });
});

test("fails when a test fails, names the test and keeps its output", () =>
  mustFail("fails", /^"fails": Expected values to be strictly equal$/, { passed: 1, failed: 1 }, ({ output }) => {
    assert.match(output, "Expected values to be strictly equal");
  }));

test("fails when it throws at load", () =>
  mustFail("throws-at-load", /no summary \(exit status 1\)/, { passed: 0, failed: 1 }, ({ output }) => {
    assert.match(output, "thrown at load");
  }));

test("names every failed test of several suites, whatever is in its title or its message", async () => {
  const { problems, passed, failed, rerun } = await run("fails-variously");
  assert.equal(problems, [
    '"says "no" in colours": it said (yes)',
    '"in two lines": the first line',
    '"needs no suite": thrown',
  ]);
  assert.equal([passed, failed], [1, 3]);
  assert.equal(rerun, { command: "npm test --", args: ["fails-variously"] });
});

test("fails when a before hook throws, which uvu ends with status 0", () =>
  mustFail("throws-in-before", /^1 of 1 tests did not run$/, { passed: 0, failed: 1 }));

test("fails when an after hook throws", () =>
  mustFail("throws-in-after", /no summary|exit status 1/, { passed: 0, failed: 1 }));

test("fails when its suite is never run", () =>
  mustFail("never-runs", /no summary \(exit status 0\).*suite test is never run/, { passed: 0, failed: 1 }));

test("fails when one of its suites is never run", () =>
  mustFail("one-suite-never-runs", /^suite forgotten is never run$/, { passed: 1, failed: 1 }));

test("fails when it holds no test", () => mustFail("no-tests", /^ran no test$/, { passed: 0, failed: 1 }));

test("fails when it waits for what never comes and Node ends it", () =>
  mustFail("waits-for-nothing", /no summary/, { passed: 0, failed: 1 }));

test("fails when a test ends the process with status 0", () =>
  mustFail("exits-early", /no summary/, { passed: 0, failed: 1 }));

test("fails when it ends with status 0 before its tests", () =>
  mustFail("exits-in-between", /no summary \(exit status 0\)/, { passed: 0, failed: 1 }));

test("fails when something fails after the summary", () =>
  mustFail("fails-after-the-summary", /^exit status 1$/, { passed: 1, failed: 1 }));

test("fails when a test is skipped without a reason", () =>
  mustFail("skips", /^1 skipped without a reason/, { passed: 1, failed: 1 }));

test("passes when a test is skipped for a stated reason, and tells it", async () => {
  const { passed, problems, remarks } = await run("skips-with-reason");
  assert.equal(
    { passed, problems, remarks },
    { passed: 1, problems: [], remarks: ["skipped counts sheep: needs sheep"] },
  );
});

test("fails when `only` leaves tests out", () =>
  mustFail("only", /^1 skipped without a reason/, { passed: 1, failed: 1 }));

test("fails when it runs its suites in two goes, of which uvu forgets one", async () => {
  const { problems } = await run("runs-twice");
  assert.match(problems.join("; "), "more than one summary");
});

test("fails when it leaves a process, and ends that process", () =>
  mustFail("leaves-process", /left process \d+ running: sleep 60/, { passed: 1, failed: 1 }, mustHaveEnded));

test("fails when it leaves a process that went to a group of its own, and ends that too", () =>
  mustFail("leaves-daemon", /left process \d+ running: sleep 61/, { passed: 1, failed: 1 }, mustHaveEnded));

test("fails when it leaves something in its temp folder", () =>
  mustFail("leaves-folder", /^left left-\w+ in its temp folder$/, { passed: 1, failed: 1 }));

test("is ended at its limit with all that it started, even when they do not heed SIGTERM", async () => {
  const startedAt = performance.now();
  const outcome = await run("hangs", { timeoutMs: 1_000 });
  assert.equal(outcome.problems, ["did not end in 1.0 s"]);
  assert.is(outcome.failed, 1);
  assert.match(outcome.output, "hanging");
  assert.ok(performance.now() - startedAt < 8_000);
});

test("is ended when the run is interrupted", async () => {
  const interrupt = new AbortController();
  setTimeout(() => interrupt.abort(), 100);
  const outcome = await run("hangs", { signal: interrupt.signal });
  assert.equal(outcome.problems, ["was interrupted"]);
});

test("fails when the file is not there", async () => {
  const outcome = await run("absent");
  assert.is(outcome.failed, 1);
});

/** The process that the problem names may be there as a zombie at most, until init takes note of it. */
function mustHaveEnded({ problems }: Outcome): void {
  const pid = /left process (\d+)/.exec(problems.join())?.[1];
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8") : "gone) Z";
  assert.match(stat, /\) [ZX]/);
}

test.run();
