import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BootReport, bootReportSchema, type FailedVerdict, formatBootReport } from "../boot/boot-report.js";
import { isHostsFault } from "../scenarios/broken-by-host.js";
import { type ScenarioResult, type TestReport, testReportSchema } from "../scenarios/scenario-run.js";
import { formatScenarioHtml } from "./html-report.js";
import { escapeXml, formatJunit } from "./junit-report.js";
import { formatTestReport } from "./text-report.js";

const test = suite("reports");

const failed: BootReport = {
  schema: bootReportSchema,
  startedAt: "2026-01-02T03:04:05.000Z",
  durationMs: 65_000,
  verdict: {
    outcome: "failed",
    failure: {
      code: "FATAL_SIGN",
      message: 'live-boot gave up ("no <file>")',
      lastMilestone: "kernel",
      awaited: "live-boot to fetch the whole filesystem.squashfs",
      nearestLine: undefined,
      transfers: ["was sending /os/x: 1 MiB of 2 MiB"],
      consoleTail: ["BOOT FAILED!", "(initramfs) "],
    },
  },
  milestones: [
    { name: "loader-fetch", state: "not applicable" },
    { name: "pivot", state: "reached", atMs: 30_000, detail: "systemd[1]" },
    { name: "networkd", state: "reached", atMs: 20_500, detail: "triton: network" },
    { name: "login", state: "missed" },
  ],
  fatalSigns: [],
  refusedPaths: [],
  commands: [],
  warnings: [{ file: "n.json", place: "resolvers", problem: "is missing", remedy: "set them" }],
  accelerator: { accelerator: "tcg", reason: "emulation was requested", kvm: "not-probed", timeScale: 6 },
  qemu: "10.0.13, livelab's own",
  machineEnd: { reason: "quit", code: 0, signal: null, logTail: [] },
  image: {
    path: "/i",
    stamp: "20260102T030405Z",
    files: {
      vmlinuz: { sizeBytes: 1, sha256: "" },
      initrd: { sizeBytes: 1, sha256: "" },
      "filesystem.squashfs": { sizeBytes: 1024, sha256: "" },
    },
  },
  given: {},
  options: {
    networking: undefined,
    nodeConfig: undefined,
    uuid: "",
    serial: "ttyb",
    mac: "",
    disks: [],
    kernelArguments: [],
    until: "login",
    medium: "ipxe",
    firmware: "bios",
    transport: "http",
    chain: false,
    memoryMib: 1,
    cpus: 1,
  },
  bootScript: "",
  dhcp: [],
  host: { cpus: 1, memoryMib: 1, loadAtStart: 0, loadAtEnd: 0 },
};

const report: TestReport = {
  schema: testReportSchema,
  startedAt: "2026-01-02T03:04:05.000Z",
  durationMs: 65_000,
  ok: false,
  passed: 1,
  failed: 2,
  scenarios: [
    {
      name: "fresh-cn",
      summary: "A <b> & a \x1b.",
      passed: false,
      durationMs: 64_000,
      boots: [
        {
          name: "first",
          folder: "/out/fresh-cn/first",
          claims: [
            { title: "reaches pivot", outcome: "passed", durationMs: 30_000 },
            { title: "is <well>", outcome: "failed", message: 'it is "ill" & so', durationMs: 10 },
            { title: "is asked", outcome: "not run", message: "no", durationMs: 0 },
          ],
          report: failed,
        },
      ],
    },
  ],
};

test("an implied milestone names the milestone that implies it, and counts as reached at that one's time", () => {
  const passed: BootReport = {
    ...failed,
    verdict: { outcome: "passed" },
    milestones: [
      { name: "kernel", state: "implied", by: "hostid" },
      { name: "hostid", state: "reached", atMs: 20_000, detail: "triton: hostid 73cb1ae8" },
      { name: "pivot", state: "implied", by: "login" },
      { name: "login", state: "reached", atMs: 40_000, detail: "cn7 login: " },
    ],
    options: { ...failed.options, until: "pivot" },
  };
  const text = formatBootReport(passed, "/r");
  assert.match(text, /^ {8}- {12}kernel {11}implied by hostid$/m);
  assert.match(text, "passed: pivot after 40.0 s");
  const boot = { name: "boot", folder: "/r", claims: [], report: passed };
  const scenario = { name: "quiet", summary: "", passed: true, durationMs: 1, boots: [boot] };
  assert.match(
    formatScenarioHtml({ ...report, scenarios: [scenario] }, "/"),
    '<span class="implied">implied by login</span>',
  );
});

test("the report of a failed boot has last milestone, awaited event, transfers, console tail and folder", () => {
  assert.is(
    formatBootReport(failed, "/out/x"),
    `platform 20260102T030405Z (squashfs 1.0 KiB), tcg: emulation was requested
QEMU 10.0.13, livelab's own
warning: n.json:resolvers: is missing. Remedy: set them
   20.5 s     +20.5  networkd         triton: network
   30.0 s      +9.5  pivot            systemd[1]
        -            login            missed
failed: live-boot gave up ("no <file>")
  last milestone  kernel
  awaited         live-boot to fetch the whole filesystem.squashfs
  headnode        was sending /os/x: 1 MiB of 2 MiB
  console tail
    BOOT FAILED!
    (initramfs) 
folder: /out/x`,
  );
});

test("the report of a passed boot has the time to the requested milestone", () => {
  const milestones = [{ name: "login", state: "reached", atMs: 41_000, detail: "cn-38 login: " }] as const;
  const text = formatBootReport({ ...failed, verdict: { outcome: "passed" }, milestones }, "/out/x");
  assert.match(text, "passed: login after 41.0 s");
});

test("the JUnit report has a case for each claim, and no character that XML does not allow", () => {
  const xml = formatJunit(report);
  assert.match(xml, 'tests="3" failures="1" errors="0" skipped="1"');
  assert.match(xml, '<testcase classname="fresh-cn/first" name="reaches pivot" time="30.000"/>');
  assert.match(xml, '<failure message="it is &#34;ill&#34; &#38; so"/>');
  assert.match(xml, "<skipped ");
  assert.is(escapeXml("\x00<\x1b"), "?&#60;?");
});

test("the HTML page is self-contained, links the boot's files and escapes text from the guest", () => {
  const html = formatScenarioHtml(report, "/out");
  assert.match(html, 'href="fresh-cn/first/console.log"');
  assert.match(html, 'href="fresh-cn/first/headnode.jsonl"');
  assert.match(html, "A &#60;b&#62; &#38; a ?.");
  assert.not.match(html, /<script|https?:/);
  assert.match(html, "BOOT FAILED!\n(initramfs) </pre>");
});

test("the text report lists every claim that does not hold, then a line per scenario, and the count last", () => {
  const lines = formatTestReport(report).split("\n");
  assert.ok(lines.includes('  failed: is <well>: it is "ill" & so'));
  assert.ok(lines.includes("  not run: is asked: no"));
  assert.is(lines.at(-2), "fresh-cn: failed, 1 claims passed, 1 failed, 1 not run in 1 min 04 s");
  assert.is(lines.at(-1), "1 claims passed, 2 failed in 1 min 05 s");
});

const hosts: TestReport = {
  ...report,
  scenarios: report.scenarios.map((scenario) => ({
    ...scenario,
    boots: scenario.boots.map((boot) => ({
      ...boot,
      claims: [
        { title: "reaches pivot", outcome: "passed", durationMs: 30_000 },
        { title: "reaches login", outcome: "broken", message: "KVM failed", durationMs: 0 },
        { title: "is asked", outcome: "not run", message: "KVM failed", durationMs: 0 },
      ],
      report: {
        ...failed,
        verdict: {
          outcome: "broken",
          failure: {
            ...(failed.verdict as FailedVerdict).failure,
            code: "KVM_FAILED",
            kind: "host",
            message: "KVM failed",
          },
        },
      },
    })),
  })),
};

test("a boot that the host broke is reported as such in text, JUnit and HTML, and is an error in JUnit, not a failure", () => {
  const text = formatTestReport(hosts);
  assert.match(text, /^broken by the host: KVM failed$/m);
  assert.match(text, /^broken by the host, not by the image: 1 boot$/m);
  const xml = formatJunit(hosts);
  assert.match(xml, 'tests="3" failures="0" errors="1" skipped="1"');
  assert.match(xml, '<error message="broken by the host: KVM failed"/>');
  assert.match(formatScenarioHtml(hosts, "/out"), '<p class="broken">broken by the host: KVM failed</p>');
});

test("a failed run is the host's fault if the host broke some boots and all others passed", () => {
  const [scenario] = report.scenarios;
  const passed = {
    claims: [{ title: "x", outcome: "passed", durationMs: 0 }],
    report: { ...failed, verdict: { outcome: "passed" } },
  };
  const good = { ...scenario, boots: [{ ...scenario?.boots[0], ...passed }] } as ScenarioResult;
  assert.is(isHostsFault(hosts), true);
  assert.is(isHostsFault({ ok: false, scenarios: [...hosts.scenarios, good] }), true);
  assert.is(isHostsFault({ ok: false, scenarios: [...hosts.scenarios, ...report.scenarios] }), false);
  assert.is(isHostsFault(report), false);
  assert.is(isHostsFault({ ok: false, scenarios: [] }), false);
  assert.is(isHostsFault({ ok: true, scenarios: [good] }), false);
});

test.run();
