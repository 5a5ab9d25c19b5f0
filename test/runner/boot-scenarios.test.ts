import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { runBootScenarios } from "./boot-scenarios.js";

const test = suite("the boot scenarios");

/** Runs a stand-in for `livelab test` that ends with a status and leaves a report, where one is given. */
async function run(does: string, { timeoutMs = 20_000, oldReport = "" } = {}) {
  await using dir = await TempDir.create("boot-scenarios");
  if (oldReport !== "") await writeFile(join(dir.path, "report.json"), oldReport);
  const { passed, failed, problems, rerun } = await runBootScenarios(
    join(findProjectRoot(), "fixtures/livelab-test/cli.mjs"),
    { reportDir: dir.path, timeoutMs, env: { ...process.env, LIVELAB_TEST_DOES: does } },
  );
  return { passed, failed, said: problems.join("; "), again: [rerun.command, ...rerun.args].join(" ") };
}

/** A report of two claims in two scenarios. */
const reportOf = (failed: 0 | 1): string =>
  JSON.stringify({
    passed: 2 - failed,
    failed,
    scenarios: [
      { name: "fresh-cn", passed: true },
      { name: "two-nics", passed: failed === 0 },
    ],
  });

test("count what their report counts", async () => {
  const passed = await run(`0 ${reportOf(0)}`);
  assert.equal([passed.passed, passed.failed, passed.said], [2, 0, ""]);
  const failed = await run(`1 ${reportOf(1)}`);
  assert.equal([failed.passed, failed.failed], [1, 1]);
  assert.match(failed.said, "1 failed");
});

test("are run again by the names of those that failed, or all when no report names them", async () => {
  assert.is((await run(`1 ${reportOf(1)}`)).again, "npx livelab test --image out/latest two-nics");
  assert.is((await run("3")).again, "npm test -- --boot");
});

test("fail when livelab fails though nothing in the report did", async () => {
  const { failed, said } = await run(`70 ${reportOf(0)}`);
  assert.is(failed, 1);
  assert.match(said, "exit status 70");
});

test("fail when livelab says nothing went wrong and its report disagrees", async () => {
  const { failed, said } = await run(`0 ${reportOf(1)}`);
  assert.is(failed, 1);
  assert.match(said, "ended with exit status 0");
});

test("fail without a report, also when an older one is there", async () => {
  for (const does of ["0", "3", "0 no json", '0 {"passed":"2","failed":0,"scenarios":[]}', '0 {"passed":2}']) {
    const { passed, failed, said } = await run(does, { oldReport: '{"passed":9,"failed":0}' });
    assert.equal([passed, failed], [0, 1], does);
    assert.match(said, "left no report");
  }
});

test("fail when none ran", async () => {
  const { failed, said } = await run('0 {"passed":0,"failed":0,"scenarios":[]}');
  assert.is(failed, 1);
  assert.match(said, "ran no scenario");
});

test("are ended at their limit", async () => {
  const { failed, said } = await run("hang", { timeoutMs: 300 });
  assert.is(failed, 1);
  assert.match(said, "did not end in 0.3 s");
});

test.run();
