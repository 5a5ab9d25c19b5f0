/** Claims about a working KVM, for an ordinary user in group kvm. */
import { join } from "node:path";
import * as assert from "uvu/assert";
import { formatDuration } from "../../base/format.js";
import { findProjectRoot } from "../../base/project-root.js";
import type { NestedHost } from "../../fixtures/nested-host/nested-host.js";
import type { KvmClaim } from "./kvm-claim.js";
import { boot, doctor } from "./nested-commands.js";

/** Time limits in milliseconds on a host with KVM. */
const TOY_LIMIT_MS = 120_000;
const SCENARIO_LIMIT_MS = 240_000;

export const doctorFindsKvm: KvmClaim = {
  title: "livelab doctor reports that KVM works and that builds run in the VM",
  verify: async (host) => {
    const { check } = await doctor(host);
    const kvm = check("KVM");
    assert.is(kvm.state, "ok", kvm.detail);
    assert.match(kvm.detail, "a kernel ran under KVM");
    const builder = check("builder machine");
    assert.match(builder.detail, /^a VM: a kernel ran under KVM/);
    return `KVM: ${kvm.detail}; builder machine: ${builder.detail}`;
  },
};

export const bootsUnderKvm: KvmClaim = {
  title: "livelab boot --accel kvm brings the image to its login prompt, and the image detects KVM",
  verify: async (host) => {
    const fixtures = ["--networking", "fixtures/networking.json", "--node-config", "fixtures/node.config"];
    const commands = ["systemd-detect-virt", "hostname", "systemctl is-system-running --wait || systemctl --failed"];
    const words = ["--accel", "kvm", ...fixtures, ...commands.flatMap((command) => ["--run", command])];
    const { status, stderr, report } = await boot(host, "boot-kvm", words);
    assert.is(status, 0, stderr);
    assert.is(report?.verdict.outcome, "passed");
    assert.is(report?.accelerator.accelerator, "kvm");
    const login = report?.milestones.find(({ name }) => name === "login");
    assert.is(login?.state, "reached");
    const [virt, hostname, health] = (report?.commands ?? []).map(({ stdout }) => stdout.trim());
    assert.is(virt, "kvm");
    assert.is(hostname, "cn-38");
    assert.is(health, "running");
    return `login after ${formatDuration(login?.state === "reached" ? login.atMs : Number.NaN)}`;
  },
};

export const scenarioUnderKvm: KvmClaim = {
  title: "livelab test fresh-cn chooses KVM without an option, and every claim of the scenario holds",
  verify: async (host) => {
    const report = `${host.reports}/test-auto`;
    const run = await host.livelab(["test", "fresh-cn", "--image", "out/latest", "--report", report], {
      limitMs: SCENARIO_LIMIT_MS,
    });
    assert.is(run.status, 0, run.stdout + run.stderr);
    assert.match(run.stderr, "accelerator kvm: a kernel ran under KVM");
    const { passed } = JSON.parse(await host.readText(`${report}/report.json`)) as { passed: number };
    assert.ok(passed > 1);
    return `${passed} passed`;
  },
};

/** Runs toy stages in the builder VM. @returns the printed lines and the duration */
async function runToyStages(host: NestedHost, stages: readonly string[]): Promise<{ lines: string[]; took: string }> {
  const program = join(findProjectRoot(), "dist/fixtures/toy-vm-run.js");
  const { status, stdout, stderr, durationMs } = await host.run([process.execPath, program, host.home, ...stages], {
    limitMs: TOY_LIMIT_MS,
  });
  assert.is(status, 0, stdout + stderr);
  return { lines: stdout.trimEnd().split("\n"), took: formatDuration(durationMs) };
}

const VM_UNDER_KVM = "builder machine: VM with kvm, a kernel ran under KVM";

export const builderVmUnderKvm: KvmClaim = {
  title: "the builder VM boots under KVM, its state is saved, and a stage runs in a machine restored from it",
  verify: async (host) => {
    const { lines, took } = await runToyStages(host, ["toy_write"]);
    assert.ok(lines.includes(VM_UNDER_KVM), lines.join("\n"));
    assert.ok(lines.includes("step: first boot of the builder VM"), lines.join("\n"));
    assert.ok(lines.includes("left: stamps"), lines.join("\n"));
    assert.ok(lines.includes("hypervisor: KVM"), lines.join("\n"));
    assert.is((await host.list(`${host.home}/vm/states`)).length, 1, "one state is saved");
    return took;
  },
};

export const builderVmGoesOn: KvmClaim = {
  title: "the next command under KVM loads the saved state, and runs only the new stage",
  verify: async (host) => {
    const { lines, took } = await runToyStages(host, ["toy_write", "toy_tree"]);
    assert.ok(lines.includes(VM_UNDER_KVM), lines.join("\n"));
    assert.not(
      lines.some((line) => line.startsWith("step: first boot") || line.includes("unusable saved state")),
      lines.join("\n"),
    );
    assert.not(
      lines.some((line) => line.startsWith("toy_write: ")),
      "the finished stage is reused",
    );
    assert.ok(lines.includes("left: stamps tree1"), lines.join("\n"));
    return took;
  },
};
