/** Scenarios whose boots cannot start, so that no machine runs. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Progress, silentProgress } from "../../base/progress/progress.js";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { formatTestReport } from "../reports/text-report.js";
import { writeTestReport } from "../reports/write-test-report.js";
import type { LoginBoot, Scenario } from "./scenario.js";
import { parallelScenarios, runScenarios, type TestReport } from "./scenario-run.js";

const test = suite("scenario run");

async function makeImage(folder: string): Promise<string> {
  const image = join(folder, "image");
  await mkdir(image);
  for (const name of ["vmlinuz", "initrd", "filesystem.squashfs"]) await writeFile(join(image, name), name);
  return image;
}

const boot = (name: string, fixtures: LoginBoot["fixtures"]): LoginBoot => ({
  name,
  fixtures,
  milestones: ["kernel", "login"],
  claims: [{ title: "it is up", verify: async () => undefined }],
});

const scenario = (name: string, ...boots: readonly LoginBoot[]): Scenario => ({ name, summary: "Never.", boots });

/** Runs scenarios. @returns the error, the notes and the written report */
async function runAll(
  scenarios: readonly Scenario[],
  {
    jobs = 2,
    signal = new AbortController().signal,
    spoil = async (_outDir: string): Promise<unknown> => undefined,
  } = {},
) {
  await using dir = await TempDir.create("scenario-run");
  const outDir = join(dir.path, "out");
  await mkdir(outDir);
  await spoil(outDir);
  const notes: string[] = [];
  const progress: Progress = { ...silentProgress, note: (text) => notes.push(text) };
  const options = { imageDir: await makeImage(dir.path), outDir, stateDir: dir.path, jobs };
  const thrown = (await thrownBy(
    runScenarios(scenarios, options, { signal, progress, writeReport: writeTestReport }),
  )) as Error & { code?: string };
  const report = JSON.parse(await readFile(join(outDir, "report.json"), "utf8").catch(() => "{}")) as TestReport;
  const junit = await readFile(join(outDir, "junit.xml"), "utf8").catch(() => "");
  return { thrown, notes, report, junit, files: await readdir(outDir) };
}

const outcomes = ({ scenarios }: TestReport): string[] =>
  scenarios.flatMap(({ name, boots }) =>
    boots.map((each) => `${name}/${each.name}: ${each.claims.map(({ outcome }) => outcome).join(", ")}`),
  );

test("the report has every boot that cannot start with its own reason, later boots are not run, and each scenario ends with a line", async () => {
  const { report, notes, junit, files } = await runAll([
    scenario("bad-uuid", boot("first", { uuid: "odd" }), boot("second", {})),
    scenario("no-networking", boot("only", { networkingPath: "/missing/networking.json" })),
  ]);
  assert.equal(outcomes(report), [
    "bad-uuid/first: broken, not run, not run, not run",
    "bad-uuid/second: not run, not run, not run, not run",
    "no-networking/only: broken, not run, not run, not run",
  ]);
  const claims = report.scenarios.flatMap(({ boots }) => boots.flatMap((each) => each.claims));
  assert.match(claims[0]?.message ?? "", "odd is not a UUID; try: write it like");
  assert.is(claims[4]?.message, "boot first could not be run");
  assert.match(claims[8]?.message ?? "", "/missing/networking.json");
  assert.equal([report.ok, report.passed, report.failed], [false, 0, 12]);
  assert.match(notes.sort().join("\n"), /^bad-uuid\/first could not be run: .*odd is not a UUID/);
  assert.match(notes[1] ?? "", /^bad-uuid: failed, 0 claims passed, 0 failed, [1-4] broken, [4-7] not run in \d/);
  assert.match(notes[2] ?? "", /^no-networking\/only could not be run: /);
  assert.match(
    notes[3] ?? "",
    /^no-networking: failed, 0 claims passed, 0 failed, [1-4] broken(?:, [1-3] not run)? in \d/,
  );
  assert.is(notes.length, 4);
  for (const file of ["report.json", "junit.xml", "index.html"]) assert.ok(files.includes(file), file);
  assert.match(junit, 'tests="4" failures="0" errors="1" skipped="3"');
  assert.match(formatTestReport(report), "== bad-uuid, boot first\nthis boot has no report\n0 of 4 claims hold");
});

test("when no boot can start, the run throws the first error, for its exit status", async () => {
  const { thrown } = await runAll([scenario("bad-uuid", boot("only", { uuid: "odd" }))]);
  assert.is(thrown.code, "BAD_UUID");
});

test("the run throws a defect in a boot, whatever failed before it, and notes its stack", async () => {
  const defect = {
    get uuid(): string {
      throw new TypeError("a defect");
    },
  };
  // With one job, so that the usage error comes first.
  const scenarios = [scenario("bad-uuid", boot("only", { uuid: "odd" })), scenario("odd", boot("only", defect))];
  const { thrown, notes, report } = await runAll(scenarios, { jobs: 1 });
  assert.is(thrown.message, "a defect");
  assert.match(notes[2] ?? "", /TypeError: a defect\n +at /);
  assert.is(outcomes(report)[1], "odd/only: broken, not run, not run, not run");
});

test("an interrupt leaves a report in which unfinished boots are not run", async () => {
  const reason = new Error("livelab got SIGINT");
  const signal = AbortSignal.abort(reason);
  const { thrown, report, notes } = await runAll(
    [scenario("a", boot("1", {}), boot("2", {})), scenario("b", boot("1", {}))],
    {
      signal,
    },
  );
  assert.is(thrown, reason);
  assert.equal(outcomes(report), [
    "a/1: not run, not run, not run, not run",
    "a/2: not run, not run, not run, not run",
    "b/1: not run, not run, not run, not run",
  ]);
  assert.is(report.scenarios[0]?.boots[0]?.claims[0]?.message, "the run was interrupted");
  assert.equal(notes, []);
});

test("disks that cannot be made break only their own scenario", async () => {
  const huge = { ...scenario("huge", boot("only", {})), disks: { data: 2 ** 60 } };
  const { report } = await runAll([huge, scenario("bad-uuid", boot("only", { uuid: "odd" }))]);
  assert.match(report.scenarios[0]?.boots[0]?.claims[0]?.message ?? "", "cannot create the disk");
  assert.match(report.scenarios[1]?.boots[0]?.claims[0]?.message ?? "", "is not a UUID");
});

test("a report that cannot be written is a failure of the host, and the error names its path", async () => {
  const { thrown } = await runAll([scenario("bad-uuid", boot("only", { uuid: "odd" }))], {
    spoil: (outDir) => mkdir(join(outDir, "report.json")),
  });
  assert.is(thrown.code, "LOG_NOT_WRITABLE");
  assert.match(thrown.message, "out/report.json cannot be written");
});

test("processors and free memory limit how many scenarios run at once, to at least one", () => {
  const gib = 2 ** 30;
  assert.is(parallelScenarios(8, 64 * gib), 8);
  assert.is(parallelScenarios(8, 5 * gib), 2);
  assert.is(parallelScenarios(8, gib), 1);
});

test.run();
