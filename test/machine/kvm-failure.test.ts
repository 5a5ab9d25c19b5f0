/** Boots under a KVM that passes its probe and fails later: real firmware and iPXE, with emulation in place of KVM. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isThere } from "../../base/is-there.js";
import type { LivelabError } from "../../base/livelab-error.js";
import { silentProgress } from "../../base/progress/progress.js";
import { FINDINGS } from "../../fixtures/accelerator-findings.js";
import { ABORTS, FakeQemu, LATER } from "../../fixtures/fake-qemu.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { bootImage } from "../../harness/boot/boot.js";
import { planBoot } from "../../harness/boot/boot-plan.js";
import type { BootReport } from "../../harness/boot/boot-report.js";
import { RunningCn } from "../../harness/boot/running-cn.js";
import { writeTestReport } from "../../harness/reports/write-test-report.js";
import { runScenarios } from "../../harness/scenarios/scenario-run.js";
import type { AcceleratorVerdict } from "../../vm/accelerator/accelerator.js";

const test = suite("KVM that fails later");

const STOPS = `${LATER}; echo "KVM internal error. Suberror: 1" >&2; wait`;
const DIES = `${LATER}; kill -KILL $pid; echo "error: kvm run failed Bad address" >&2; kill -ABRT $$`;

const decideAccelerator = async (): Promise<AcceleratorVerdict> => ({
  accelerator: "kvm",
  reason: "a kernel ran under KVM",
  kvm: "works",
  timeScale: 20,
});

async function prepare(qemu: FakeQemu) {
  const imageDir = qemu.folder;
  for (const name of ["vmlinuz", "initrd", "filesystem.squashfs"]) {
    await writeFile(join(imageDir, name), Buffer.alloc(1024 * 1024));
  }
  await writeFile(memoryOf(qemu), JSON.stringify({ key: "here", findings: FINDINGS }));
  return { imageDir, reportDir: join(imageDir, "report"), stateDir: imageDir };
}

const memoryOf = (qemu: FakeQemu): string => join(qemu.folder, "accelerator.json");
const findingsOf = async (qemu: FakeQemu): Promise<unknown> =>
  JSON.parse(await readFile(memoryOf(qemu), "utf8")).findings;
const context = () => ({ signal: AbortSignal.timeout(60_000), decideAccelerator });

for (const [what, kvm, words] of [
  ["stops the guest", STOPS, "KVM internal error. Suberror: 1"],
  ["kills QEMU", DIES, "error: kvm run failed Bad address"],
] as const) {
  test(
    `a KVM that ${what} ends the boot as broken by the host in its report, and its verdict is dropped`,
    within(60_000, async () => {
      await using qemu = await FakeQemu.install({ kvm });
      const options = await prepare(qemu);
      const error = (await thrownBy(bootImage(options, context()))) as LivelabError;
      assert.equal([error.code, error.kind], ["KVM_FAILED", "host"]);
      assert.match(error.message, words);
      const report = JSON.parse(await readFile(join(options.reportDir, "report.json"), "utf8")) as BootReport;
      assert.is(report.verdict.outcome, "broken");
      if (report.verdict.outcome === "passed") return;
      assert.equal([report.verdict.failure.code, report.verdict.failure.kind], ["KVM_FAILED", "host"]);
      assert.match(String(report.machineEnd.kvmFailure), words);
      assert.equal(await findingsOf(qemu), { tcg: FINDINGS.tcg });
    }),
  );
}

test(
  "a shell whose QEMU dies under KVM fails with the host's error, although its console ends first",
  within(60_000, async () => {
    await using qemu = await FakeQemu.install({ kvm: DIES });
    const plan = await planBoot(await prepare(qemu));
    await using cn = await RunningCn.powerOn(plan, { ...context(), progress: silentProgress });
    const error = (await thrownBy(cn.logIn())) as LivelabError;
    assert.equal([error.code, error.kind], ["KVM_FAILED", "host"]);
    await cn.end(error);
  }),
);

test(
  "a terminal whose QEMU dies under KVM is disconnected with the host's error",
  within(60_000, async () => {
    await using qemu = await FakeQemu.install({ kvm: DIES });
    const stdin = Object.assign(new PassThrough(), { isTTY: false }) as unknown as typeof process.stdin;
    const terminal = { stdin, stdout: new PassThrough() as unknown as typeof process.stdout };
    const error = (await thrownBy(bootImage(await prepare(qemu), { ...context(), terminal }))) as LivelabError;
    assert.equal([error.code, error.kind], ["KVM_FAILED", "host"]);
  }),
);

test(
  "a boot whose QEMU aborts at its start under KVM is a failure of the host, and the verdict is dropped",
  within(60_000, async () => {
    await using qemu = await FakeQemu.install({ kvm: ABORTS });
    const error = (await thrownBy(bootImage(await prepare(qemu), context()))) as LivelabError;
    assert.equal([error.code, error.kind], ["KVM_FAILED", "host"]);
    assert.equal(await findingsOf(qemu), { tcg: FINDINGS.tcg });
  }),
);

test(
  "a KVM failure in a test run is an error of the host in JUnit, not a failure of the image",
  within(60_000, async () => {
    await using qemu = await FakeQemu.install({ kvm: STOPS });
    const { imageDir, stateDir } = await prepare(qemu);
    const outDir = join(qemu.folder, "out");
    const boot = { name: "only", fixtures: {}, milestones: ["login"], claims: [] } as const;
    const report = await runScenarios(
      [{ name: "unlucky", summary: "", boots: [boot] }],
      { imageDir, stateDir, outDir },
      { ...context(), writeReport: writeTestReport },
    );
    assert.is(report.ok, false);
    assert.equal(
      report.scenarios[0]?.boots[0]?.claims.map(({ outcome }) => outcome),
      ["broken", "not run"],
    );
    const xml = await readFile(join(outDir, "junit.xml"), "utf8");
    assert.match(xml, 'failures="0" errors="1"');
    assert.match(xml, '<error message="broken by the host: KVM failed while the guest ran: ');
    assert.ok(await isThere(join(outDir, "index.html")));
  }),
);

test.run();
