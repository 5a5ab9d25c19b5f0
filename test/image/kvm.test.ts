/**
 * KVM on any host: doctor probes it in a nested host, where a kernel runs under it. A boot to login takes longer there than
 * `npm test` can spend; `npm run test:kvm` proves that, and the rest.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import { isThere } from "../../base/is-there.js";
import { findProjectRoot } from "../../base/project-root.js";
import { whyNoNestedHost } from "../../fixtures/nested-host/host-limits.js";
import { NestedHost } from "../../fixtures/nested-host/nested-host.js";
import { doctorFindsKvm } from "../kvm/working-kvm.js";
import { testUnless } from "../runner/skip-test.js";

const test = suite("KVM in a nested host");
const root = findProjectRoot();
const workDir = join(root, "out/test-report/kvm");
const title = "an ordinary user in group kvm: doctor finds that KVM works, for a kernel ran under it";

const lacks = (await isThere(join(root, "out/latest/vmlinuz")))
  ? await whyNoNestedHost()
  : "there is no image in out/latest: npm run build:hermetic";
testUnless(test, title, lacks, proveDoctor);

async function proveDoctor(): Promise<void> {
  await rm(workDir, { recursive: true, force: true });
  await using host = await NestedHost.start({ workDir, signal: new AbortController().signal });
  try {
    console.log(`${doctorFindsKvm.title}: ${await doctorFindsKvm.verify(host)}`);
  } finally {
    await host.keepReports(join(workDir, "reports"));
  }
}

test.run();
