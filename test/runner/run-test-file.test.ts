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

/** Checks that a fixture fails with this reason: a fixture that passes would show a gap in the runner. */
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

test("a test file passes with its count if all its tests pass", async () => {
  const { passed, failed, problems, remarks } = await run("passes");
  assert.equal({ passed, failed, problems, remarks }, { passed: 2, failed: 0, problems: [], remarks: [] });
});

test("a test file with a failed test fails, and the outcome has the test and the output", () =>
  mustFail("fails", /^"fails": Expected values to be strictly equal$/, { passed: 1, failed: 1 }, ({ output }) => {
    assert.match(output, "Expected values to be strictly equal");
  }));

test("a test file that throws at load fails", () =>
  mustFail("throws-at-load", /no summary \(exit status 1\)/, { passed: 0, failed: 1 }, ({ output }) => {
    assert.match(output, "thrown at load");
  }));

test("the outcome names every failed test of several suites, whatever its title and message contain", async () => {
  const { problems, passed, failed, rerun } = await run("fails-variously");
  assert.equal(problems, [
    '"says "no" in colours": it said (yes)',
    '"in two lines": the first line',
    '"needs no suite": thrown',
  ]);
  assert.equal([passed, failed], [1, 3]);
  assert.equal(rerun, { command: "npm test --", args: ["fails-variously"] });
});

test("a before hook that throws fails the test file, although uvu exits with status 0", () =>
  mustFail("throws-in-before", /^1 of 1 tests did not run$/, { passed: 0, failed: 1 }));

test("an after hook that throws fails the test file", () =>
  mustFail("throws-in-after", /no summary|exit status 1/, { passed: 0, failed: 1 }));

test("a test file whose suite is never run fails", () =>
  mustFail("never-runs", /no summary \(exit status 0\).*suite test is never run/, { passed: 0, failed: 1 }));

test("a test file fails if one of its suites is never run", () =>
  mustFail("one-suite-never-runs", /^suite forgotten is never run$/, { passed: 1, failed: 1 }));

test("a test file without tests fails", () => mustFail("no-tests", /^ran no test$/, { passed: 0, failed: 1 }));

test("a test that waits for an event that never comes fails its file, although Node exits", () =>
  mustFail("waits-for-nothing", /no summary/, { passed: 0, failed: 1 }));

test("a test that ends the process with status 0 fails its file", () =>
  mustFail("exits-early", /no summary/, { passed: 0, failed: 1 }));

test("a test file that exits with status 0 before its tests fails", () =>
  mustFail("exits-in-between", /no summary \(exit status 0\)/, { passed: 0, failed: 1 }));

test("an error after the summary fails the test file", () =>
  mustFail("fails-after-the-summary", /^exit status 1$/, { passed: 1, failed: 1 }));

test("a test skipped without a reason fails its file", () =>
  mustFail("skips", /^1 skipped without a reason/, { passed: 1, failed: 1 }));

test("a test file with a test skipped for a stated reason passes, and the outcome has the reason", async () => {
  const { passed, problems, remarks } = await run("skips-with-reason");
  assert.equal(
    { passed, problems, remarks },
    { passed: 1, problems: [], remarks: ["skipped counts sheep: needs sheep"] },
  );
});

test("a test file whose tests are all skipped for stated reasons passes, and the outcome has the reasons", async () => {
  const { passed, problems, remarks } = await run("skips-all");
  assert.equal(
    { passed, problems, remarks },
    { passed: 0, problems: [], remarks: ["skipped counts sheep: needs sheep"] },
  );
});

test("a test file fails if `only` leaves tests out", () =>
  mustFail("only", /^1 skipped without a reason/, { passed: 1, failed: 1 }));

test("a test file that runs its suites in two batches fails, because uvu loses one of them", async () => {
  const { problems } = await run("runs-twice");
  assert.match(problems.join("; "), "more than one summary");
});

test("a test file that leaves a process fails, and the runner ends that process", () =>
  mustFail("leaves-process", /left process \d+ running: sleep 60/, { passed: 1, failed: 1 }, mustHaveEnded));

test("a test file that leaves a process in another group fails, and the runner ends that process, too", () =>
  mustFail("leaves-daemon", /left process \d+ running: sleep 61/, { passed: 1, failed: 1 }, mustHaveEnded));

test("a test file that leaves files in its temp folder fails", () =>
  mustFail("leaves-folder", /^left left-\w+ in its temp folder$/, { passed: 1, failed: 1 }));

test("a test file is ended at its limit with all its processes, also those that ignore SIGTERM", async () => {
  const startedAt = performance.now();
  const outcome = await run("hangs", { timeoutMs: 1_000 });
  assert.equal(outcome.problems, ["did not end in 1.0 s"]);
  assert.is(outcome.failed, 1);
  assert.match(outcome.output, "hanging");
  assert.ok(performance.now() - startedAt < 8_000);
});

test("a test file is ended when the run is interrupted", async () => {
  const interrupt = new AbortController();
  setTimeout(() => interrupt.abort(), 100);
  const outcome = await run("hangs", { signal: interrupt.signal });
  assert.equal(outcome.problems, ["was interrupted"]);
});

test("a missing test file fails", async () => {
  const outcome = await run("absent");
  assert.is(outcome.failed, 1);
});

/** Checks that the process in the problem has ended: at most it is a zombie, until init reaps it. */
function mustHaveEnded({ problems }: Outcome): void {
  const pid = /left process (\d+)/.exec(problems.join())?.[1];
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, "utf8") : "gone) Z";
  assert.match(stat, /\) [ZX]/);
}

test.run();
