/** Claims about a KVM that passes its probe and fails in a boot. */
import { join } from "node:path";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import type { KvmClaim } from "./kvm-claim.js";
import { type BootAnswer, boot, doctor } from "./nested-commands.js";

/** Time limit for writing an image, in milliseconds on a host with KVM. */
const WRITE_LIMIT_MS = 10_000;

/** Asserts that the report blames the host, not the image. @returns the message */
function assertBrokenByHost({ status, stderr, report }: BootAnswer): string {
  assert.is(status, 3, stderr);
  const verdict = report?.verdict;
  assert.is(verdict?.outcome, "broken", stderr);
  if (verdict === undefined || verdict.outcome === "passed") throw new Error("unreachable");
  assert.is(verdict.failure.code, "KVM_FAILED", verdict.failure.message);
  return verdict.failure.message;
}

export const kvmStopsTheGuest: KvmClaim = {
  title: "an internal error of KVM in a boot is reported as the host's failure, and the next command probes KVM again",
  verify: async (host) => {
    assert.is((await doctor(host)).check("KVM").state, "ok");
    const image = `${host.reports}/unrunnable-image`;
    const program = join(findProjectRoot(), "dist/fixtures/unrunnable-image.js");
    const written = await host.run([process.execPath, program, image], { limitMs: WRITE_LIMIT_MS });
    assert.is(written.status, 0, written.stderr);
    const message = assertBrokenByHost(await boot(host, "internal-error", [image, "--accel", "kvm"]));
    assert.match(message, "KVM internal error");
    assert.is(await host.kvmFinding(), undefined, "the verdict is deleted");
    assert.is((await doctor(host)).check("KVM").state, "ok");
    assert.is((await host.kvmFinding())?.works, true, "KVM was probed again");
    return message;
  },
};

export const qemuAborts: KvmClaim = {
  title: "an abort of QEMU under KVM after the kernel's first line is reported as the host's failure",
  verify: async (host) => {
    const name = "abort";
    const booting = boot(host, name, ["--accel", "kvm"]);
    const aborting = host.abortMachineAfter("Linux version ", `${host.reports}/${name}/console.log`);
    const [answer] = await Promise.all([booting, aborting]);
    const message = assertBrokenByHost(answer);
    assert.match(message, "SIGABRT");
    const kernel = answer.report?.milestones.find((milestone) => milestone.name === "kernel");
    assert.is(kernel?.state, "reached");
    return message;
  },
};
