/**
 * Boots that must fail, with real firmware and a real iPXE: how soon and how clearly livelab reports it.
 * The images are empty, because none of these boots reaches Linux.
 */
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Progress, silentProgress } from "../../base/progress/progress.js";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { qemuOf } from "../../fixtures/qemu-processes.js";
import { bootImage } from "../../harness/boot/boot.js";
import type { BootOptions } from "../../harness/boot/boot-plan.js";
import type { BootReport } from "../../harness/boot/boot-report.js";
import { expectEqual } from "../../harness/boot/expect.js";
import type { FatalReason } from "../../harness/boot/milestones.js";
import type { HeadnodeRequest } from "../../harness/headnode/transcript.js";
import { writeTestReport } from "../../harness/reports/write-test-report.js";
import type { Scenario } from "../../harness/scenarios/scenario.js";
import { runScenarios, type TestReport } from "../../harness/scenarios/scenario-run.js";

const test = suite("boot failures");

const signal = (): AbortSignal => AbortSignal.timeout(5 * 60_000);

async function makeImage(dir: TempDir): Promise<Pick<BootOptions, "imageDir" | "reportDir" | "stateDir">> {
  for (const name of ["vmlinuz", "initrd", "filesystem.squashfs"]) {
    // Larger than a PC's low memory, so that iPXE does not treat it as an old-style boot program.
    await writeFile(join(dir.path, name), Buffer.alloc(1024 * 1024));
  }
  return { imageDir: dir.path, reportDir: join(dir.path, "report"), stateDir: dir.path };
}

function failureOf({ verdict }: BootReport) {
  if (verdict.outcome === "passed") throw new Error("the boot passed");
  return { outcome: verdict.outcome, ...verdict.failure };
}

test("a 404 for the kernel ends the boot within 2 s, and the transcript has it", async () => {
  await using dir = await TempDir.create("boot-404");
  const options = await makeImage(dir);
  const networkingPath = join(findProjectRoot(), "fixtures/networking.json");
  const report = await bootImage({ ...options, networkingPath, missing: ["vmlinuz"] }, { signal: signal() });

  const failure = failureOf(report);
  assert.is(failure.outcome, "failed");
  assert.match(failure.message, "the headnode answered 404 to /os/19700101T000000Z/platform/x86_64/vmlinuz");
  assert.is(failure.lastMilestone, "ipxe-script");
  assert.match(failure.consoleTail.join("\n"), "Could not boot image: "); // iPXE's own message, from ttyS0
  const lines = (await readFile(join(options.reportDir, "headnode.jsonl"), "utf8")).trimEnd().split("\n");
  const requests = lines.map((line) => JSON.parse(line) as HeadnodeRequest);
  assert.equal(
    requests.map(({ status }) => status),
    [200, 404],
  );
  const refusedAtMs = requests.at(-1)?.timeMs ?? 0;
  assert.ok(report.durationMs - refusedAtMs < 2_000, `reported ${report.durationMs - refusedAtMs} ms after it`);
  const left = await readdir(options.reportDir);
  for (const file of ["argv.txt", "console.log", "console.raw", "firmware.log", "qemu.log", "report.json"]) {
    assert.ok(left.includes(file), file);
  }
});

test("with --serial ttya the console has the firmware's lines, too; with ttyd the machine has four ports", async () => {
  for (const [serial, ports, file] of [
    ["ttya", 2, "console.log"],
    ["ttyd", 4, "firmware.log"],
  ] as const) {
    await using dir = await TempDir.create(`boot-${serial}`);
    const options = await makeImage(dir);
    const report = await bootImage({ ...options, serial, missing: ["vmlinuz"] }, { signal: signal() });
    assert.match(failureOf(report).consoleTail.join("\n"), "Could not boot image: ");
    assert.match(await readFile(join(options.reportDir, file), "utf8"), "Could not boot image: ");
    const left = await readdir(options.reportDir);
    assert.is(left.includes("firmware.log"), file === "firmware.log");
    assert.is(left.filter((name) => /^ttyS\d\.log$/.test(name)).length, ports);
    assert.is(report.options.serial, serial);
    assert.is(
      report.fatalSigns.length,
      new Set(report.fatalSigns.map(({ text }) => text)).size,
      "each line counts once",
    );
  }
});

test("a vmlinuz that is not a kernel is reported with iPXE's message, and the transcript has every TFTP request", async () => {
  await using dir = await TempDir.create("boot-not-linux");
  const options = await makeImage(dir);
  const report = await bootImage({ ...options, transport: "tftp" }, { signal: signal() });
  assert.match(failureOf(report).message, "iPXE gave up");
  assert.is(report.fatalSigns[0]?.reason, "ipxe-prompt");
  assert.match(report.fatalSigns[0]?.text ?? "", /^Could not boot image: /);
  assert.match(report.warnings.map(({ problem }) => problem).join(), "is not a Linux kernel");
  assert.equal(
    report.milestones.slice(0, 4).map(({ state }) => state),
    ["not applicable", "reached", "reached", "missed"],
  );
  const requests = (await readFile(join(options.reportDir, "headnode.jsonl"), "utf8")).trimEnd().split("\n");
  assert.equal([...new Set(requests.map((line) => (JSON.parse(line) as HeadnodeRequest).method))], ["RRQ"]);
  // On a busy host iPXE repeats a request before it has read the answer: equal requests count once.
  const asked = report.dhcp.map(({ type, userClass, answer }) =>
    [type, userClass, answer.kind === "reply" && answer.file].join(" "),
  );
  assert.equal(
    [...new Set(asked)],
    ["DISCOVER iPXE boot.ipxe.01525400990038", "REQUEST iPXE boot.ipxe.01525400990038"],
  );
});

test("UEFI without a boot program on its disk is reported with its own message, and not left at its shell", async () => {
  await using dir = await TempDir.create("boot-uefi");
  const options = await makeImage(dir);
  await writeFile(join(options.imageDir, "x.iso"), Buffer.alloc(1024 * 1024));
  const report = await bootImage({ ...options, medium: "iso-disk", firmware: "uefi" }, { signal: signal() });
  assert.match(failureOf(report).message, 'the firmware found nothing to boot ("BdsDxe: failed to load Boot0001');
  assert.is(report.bootScript, undefined);
  assert.ok((await readdir(options.reportDir)).includes("uefi-vars.fd"));
});

test("a killed QEMU is reported within 2 s as a failure of the host, and the report is written", async () => {
  await using dir = await TempDir.create("boot-killed");
  const options = await makeImage(dir);
  const power = powerSwitch();
  const booting = bootImage(options, { signal: signal(), progress: power.progress }).then(
    () => undefined,
    (error: unknown) => error,
  );
  await power.on;
  const pid = await findQemu(options.reportDir);
  process.kill(pid, "SIGKILL");
  const killedAt = performance.now();
  const error = (await booting) as { kind?: string; message?: string };
  assert.ok(performance.now() - killedAt < 2_000);
  assert.is(error.kind, "host");
  assert.match(error.message ?? "", "SIGKILL");
  const report = JSON.parse(await readFile(join(options.reportDir, "report.json"), "utf8")) as BootReport;
  assert.is(failureOf(report).outcome, "broken");
  assert.is(power.notes.at(-1), `folder: ${options.reportDir}`);
});

test("an abort ends the boot with its reason", async () => {
  await using dir = await TempDir.create("boot-abort");
  const options = await makeImage(dir);
  const controller = new AbortController();
  const booting = bootImage(options, { signal: controller.signal }).then(
    () => undefined,
    (error: unknown) => error,
  );
  const pid = await findQemu(options.reportDir);
  controller.abort(new Error("interrupted"));
  assert.is(((await booting) as Error).message, "interrupted");
  assert.throws(() => process.kill(pid, 0));
});

test("a scenario whose boot fails has every claim in its results, and every report", async () => {
  await using dir = await TempDir.create("boot-scenario");
  const { imageDir, stateDir } = await makeImage(dir);
  const scenario: Scenario = {
    name: "hopeless",
    summary: "Boots what is no image.",
    boots: [
      {
        name: "only",
        fixtures: {},
        milestones: ["ipxe-script", "login"],
        claims: [{ title: "never asked", verify: () => assert.unreachable() as never }],
      },
    ],
  };
  const outDir = join(dir.path, "out");
  const report = await runScenarios(
    [scenario],
    { imageDir, stateDir, outDir },
    { signal: signal(), writeReport: writeTestReport },
  );
  assert.is(report.ok, false);
  assert.equal(
    report.scenarios[0]?.boots[0]?.claims.map(({ title, outcome }) => `${title}: ${outcome}`),
    [
      "reaches ipxe-script: passed",
      "reaches login: failed",
      "never asked: not run",
      "root logs in on the console: not run",
    ],
  );
  assert.equal([report.passed, report.failed], [1, 3]);
  for (const file of ["report.json", "junit.xml", "index.html"])
    assert.ok((await readdir(outDir)).includes(file), file);
});

test("a boot that stops as expected passes, one that stops for another reason fails, and a failed run keeps its disks", async () => {
  await using dir = await TempDir.create("boot-refusals");
  const { imageDir, stateDir } = await makeImage(dir);
  const refused = (name: string, refusal: FatalReason): Scenario => ({
    name,
    summary: "Stops.",
    disks: { data: 64 },
    boots: [
      {
        name: "only",
        fixtures: {},
        disks: ["data"],
        milestones: ["ipxe-script"],
        refusal,
        claims: [
          {
            title: "the disk is the scenario's own",
            verify: async ({ plan }) => expectEqual("its size", (await stat(plan.disks[0]?.path ?? "")).size, 2 ** 26),
          },
        ],
      },
    ],
  });
  const scenarios = [refused("as-it-should", "ipxe-prompt"), refused("otherwise", "emergency-shell")];
  const outDir = join(dir.path, "out");
  const report = await runScenarios(
    scenarios,
    { imageDir, stateDir, outDir, jobs: 2 },
    { signal: signal(), writeReport: writeTestReport },
  );
  assert.equal(
    report.scenarios.map(({ boots }) => boots[0]?.claims.map(({ outcome }) => outcome)),
    [
      ["passed", "passed", "passed"],
      ["passed", "passed", "failed"],
    ],
  );
  assert.match(report.scenarios[1]?.boots[0]?.claims[2]?.message ?? "", "iPXE gave up");
  assert.equal(await readdir(join(outDir, "as-it-should")), ["only"]);
  assert.equal((await readdir(join(outDir, "otherwise"))).sort(), ["disks", "only"]);
});

/** Stops at iPXE's prompt, because the image is empty. */
const stopping = (name: string, fixtures: Scenario["boots"][number]["fixtures"] = {}): Scenario => ({
  name,
  summary: "Stops.",
  boots: [{ name: "only", fixtures, milestones: ["ipxe-script"], refusal: "ipxe-prompt", claims: [] }],
});

test("a boot that cannot start fails only its own scenario; the others are booted and reported", async () => {
  await using dir = await TempDir.create("boot-cannot-begin");
  const { imageDir, stateDir } = await makeImage(dir);
  const outDir = join(dir.path, "out");
  const scenarios = [stopping("bad-nic", { mac: "odd" }), stopping("good")];
  const report = await runScenarios(
    scenarios,
    { imageDir, stateDir, outDir, jobs: 1 },
    { signal: signal(), writeReport: writeTestReport },
  );
  assert.equal(
    report.scenarios.map(({ passed, boots }) => [passed, boots[0]?.report !== undefined]),
    [
      [false, false],
      [true, true],
    ],
  );
  assert.equal([report.ok, report.passed, report.failed], [false, 2, 2]);
  assert.equal(JSON.parse(await readFile(join(outDir, "report.json"), "utf8")).passed, 2);
});

test("an interrupt leaves a report with the finished scenarios", async () => {
  await using dir = await TempDir.create("boot-interrupted");
  const { imageDir, stateDir } = await makeImage(dir);
  const outDir = join(dir.path, "out");
  const controller = new AbortController();
  const reason = new Error("livelab got SIGINT");
  const progress: Progress = {
    ...silentProgress,
    note: (text) => {
      if (text.startsWith("second/only: accelerator")) controller.abort(reason);
    },
  };
  const scenarios = [stopping("first"), stopping("second"), stopping("third")];
  const error = await runScenarios(
    scenarios,
    { imageDir, stateDir, outDir, jobs: 1 },
    { signal: AbortSignal.any([signal(), controller.signal]), progress, writeReport: writeTestReport },
  ).catch((thrown: unknown) => thrown);
  assert.is(error, reason);
  const report = JSON.parse(await readFile(join(outDir, "report.json"), "utf8")) as TestReport;
  assert.equal(
    report.scenarios.map(({ boots }) => boots[0]?.claims.map(({ outcome }) => outcome).join(" ")),
    ["passed passed", "not run not run", "not run not run"],
  );
});

test("a QEMU that ends while its boot should stay stopped breaks the claim", async () => {
  await using dir = await TempDir.create("boot-no-stop");
  const { imageDir, stateDir } = await makeImage(dir);
  const boot = { name: "only", fixtures: {}, milestones: [], refusal: "ipxe-prompt", claims: [] } as const;
  const scenario: Scenario = { name: "stops", summary: "Stops, and is killed then.", boots: [boot] };
  const outDir = join(dir.path, "out");
  const running = runScenarios(
    [scenario],
    { imageDir, stateDir, outDir },
    { signal: signal(), writeReport: writeTestReport },
  );
  running.catch(() => undefined); // awaited below
  const folder = join(outDir, "stops/only");
  const pid = await findQemu(folder);
  const hasStopped = async (): Promise<boolean> => {
    const said = await readFile(join(folder, "firmware.log"), "utf8").catch(() => ""); // QEMU is there first
    return said.includes("Could not boot image: ");
  };
  for (const from = performance.now(); !(await hasStopped()) && performance.now() - from < 120_000; ) await sleep(50);
  process.kill(pid, "SIGKILL");
  const { scenarios } = await running;
  assert.equal(
    scenarios[0]?.boots[0]?.claims.map(({ title, outcome, message }) => [title, outcome, message]),
    [["the boot stops with ipxe-prompt and stays stopped", "broken", "QEMU was killed by SIGKILL"]],
  );
});

test("a scenario that names an unknown disk is a defect, thrown after the others are in the report", async () => {
  await using dir = await TempDir.create("boot-no-disk");
  const { imageDir, stateDir } = await makeImage(dir);
  const boot = { name: "only", fixtures: {}, milestones: [], claims: [] } as const;
  const scenarios: Scenario[] = [
    { name: "good", summary: "", boots: [boot] },
    { name: "wrong", summary: "", disks: { one: 1 }, boots: [{ ...boot, disks: ["two"] }] },
  ];
  const outDir = join(dir.path, "out");
  const error = await runScenarios(
    scenarios,
    { imageDir, stateDir, outDir, jobs: 2 },
    { signal: signal(), writeReport: writeTestReport },
  ).then(
    () => undefined,
    (reason: Error) => reason,
  );
  assert.match(error?.message ?? "", "the scenario has no disk two; it has: one");
  const report = JSON.parse(await readFile(join(outDir, "report.json"), "utf8")) as TestReport;
  assert.equal(
    report.scenarios.map(({ name, boots }) => [name, boots[0]?.report !== undefined]),
    [
      ["good", true],
      ["wrong", false],
    ],
  );
});

test("a run without scenarios is not a success", async () => {
  await using dir = await TempDir.create("boot-none");
  const { imageDir, stateDir } = await makeImage(dir);
  const report = await runScenarios(
    [],
    { imageDir, stateDir, outDir: dir.path },
    { signal: signal(), writeReport: writeTestReport },
  );
  assert.is(report.ok, false);
});

/** Resolves when the machine has been powered on: its boot then becomes a step. */
function powerSwitch(): {
  readonly on: Promise<void>;
  readonly progress: Progress;
  readonly notes: readonly string[];
} {
  const notes: string[] = [];
  let turnOn = (): void => {};
  const on = new Promise<void>((resolve) => {
    turnOn = resolve;
  });
  const progress: Progress = {
    note: (text) => notes.push(text),
    step: (title, work) => {
      turnOn();
      return silentProgress.step(title, work);
    },
  };
  return { on, progress, notes };
}

/** Waits for the QEMU whose log is in a folder. */
async function findQemu(folder: string): Promise<number> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    const [pid] = await qemuOf(`${folder}/`);
    if (pid !== undefined) return pid;
    await sleep(50);
  }
  throw new Error(`no QEMU for ${folder} in 30 s`);
}

test.run();
