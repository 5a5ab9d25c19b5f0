/**
 * KVM on any host: doctor probes it in a nested host, where a kernel runs under it. A boot to login takes too long there for
 * `npm test`; `npm run test:kvm` proves it, and the other claims.
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
const title = "doctor finds that KVM works for an ordinary user in group kvm, because a kernel ran under it";

const lacks = (await isThere(join(root, "out/latest/vmlinuz")))
  ? await whyNoNestedHost()
  : "out/latest has no image; build one: npm run build:hermetic";
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
