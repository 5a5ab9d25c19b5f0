import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LivelabError } from "../../base/livelab-error.js";
import { silentProgress } from "../../base/progress/progress.js";
import { openHome } from "../../builder/home/home.js";
import { BuilderVm, type VmOptions } from "../../builder/machines/vm/vm.js";
import { FINDINGS } from "../../fixtures/accelerator-findings.js";
import { ABORTS, FakeQemu, LATER } from "../../fixtures/fake-qemu.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { halt, writeKernel } from "../../fixtures/vm-guest-code.js";
import { createRawDisk } from "../../vm/disk-image.js";

const test = suite("builder VM");

/** Starts a VM whose kernel does nothing, under a KVM that behaves as `kvm` says. @returns the error and the cached verdicts */
async function startWith(kvm: string): Promise<{ error: LivelabError; findings: unknown }> {
  await using qemu = await FakeQemu.install({ kvm });
  const home = await openHome(join(qemu.folder, "home"));
  const [kernel, initrd, root, disk] = ["kernel", "initrd", "root", "disk"].map((name) => join(qemu.folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  await writeKernel(kernel, halt);
  await writeFile(initrd, "initrd");
  for (const path of [root, disk]) await createRawDisk(path, 1024 * 1024);
  const memory = join(home.root, "accelerator.json");
  await writeFile(memory, JSON.stringify({ key: "here", findings: FINDINGS }));
  const options: VmOptions = {
    home,
    base: { key: "toy", kernel, initrd, root },
    disk,
    verdict: { accelerator: "kvm", reason: "a kernel ran under KVM", kvm: "works", timeScale: 1 },
    signal: new AbortController().signal,
    progress: silentProgress,
  };
  const error = (await thrownBy(BuilderVm.start(options))) as LivelabError;
  return { error, findings: JSON.parse(await readFile(memory, "utf8")).findings };
}

for (const [what, kvm, words] of [
  ["stops the guest", `${LATER}; echo "KVM internal error. Suberror: 1" >&2; wait`, /KVM internal error. Suberror: 1/],
  ["has QEMU abort", `${LATER}; kill -KILL $pid; kill -ABRT $$`, /SIGABRT/],
  ["does not let QEMU start", ABORTS, /failed to set MSR/],
] as const) {
  test(
    `a KVM that ${what} breaks the builder VM as a failure of the host, and its verdict is dropped`,
    within(30_000, async () => {
      const { error, findings } = await startWith(kvm);
      assert.equal([error.code, error.kind], ["KVM_FAILED", "host"]);
      assert.match(error.message, words);
      assert.equal(findings, { tcg: FINDINGS.tcg });
    }),
  );
}

test(
  "a guest that powers off is not a failure of KVM",
  within(30_000, async () => {
    const { error, findings } = await startWith(`${LATER}; kill -KILL $pid; exit 0`);
    assert.equal([error.code, error.kind], ["MACHINE_DIED", "stage"]);
    assert.equal(findings, FINDINGS);
  }),
);

test.run();
