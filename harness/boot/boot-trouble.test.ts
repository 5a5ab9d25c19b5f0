import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LivelabError } from "../../base/livelab-error.js";
import { BootTrouble, errorOfEnd } from "./boot-trouble.js";

const test = suite("boot trouble");

const reasonOf = async (trouble: BootTrouble): Promise<Error & { kind?: string; code?: string }> => {
  if (!trouble.signal.aborted) await once(trouble.signal, "abort");
  return trouble.signal.reason;
};

test("signs that come together are one failure of the guest", async () => {
  using trouble = new BootTrouble(20);
  trouble.refused("/os/filesystem.squashfs");
  trouble.fatalSign({ reason: "live-boot-failed", text: "Unable to find a live file system", atMs: 1 });
  trouble.fatalSign({ reason: "live-boot-failed", text: "Unable to find a live file system", atMs: 2 });
  const reason = await reasonOf(trouble);
  assert.is(reason.kind, "expectation");
  assert.is(
    reason.message,
    'the headnode answered 404 to /os/filesystem.squashfs; live-boot gave up ("Unable to find a live file system")',
  );
});

test("the machine's end is reported at once, with the signs before it", async () => {
  using trouble = new BootTrouble(60_000);
  trouble.fatalSign({ reason: "kernel-panic", text: "Kernel panic - not syncing: x", atMs: 1 });
  trouble.machineEnded({ reason: "guest-reset", code: 0, signal: null, logTail: [] });
  assert.is(
    (await reasonOf(trouble)).message,
    'the kernel panicked ("Kernel panic - not syncing: x"); the guest rebooted',
  );
});

test("a failure of QEMU is a failure of the host", async () => {
  using trouble = new BootTrouble();
  trouble.machineEnded({ reason: "killed", code: null, signal: "SIGSEGV", logTail: [] });
  const reason = await reasonOf(trouble);
  assert.is(reason.kind, "host");
  assert.match(reason.message, "SIGSEGV");
});

for (const exit of [
  { reason: "internal-error", code: 0, signal: null, kvmFailure: "KVM internal error. Suberror: 1", logTail: [] },
  { reason: "killed", code: null, signal: "SIGABRT", kvmFailure: "KVM internal error. Suberror: 1", logTail: [] },
  { reason: "guest-reset", code: 0, signal: null, kvmFailure: "KVM internal error. Suberror: 1", logTail: [] },
] as const) {
  test(`a failure of KVM with ${exit.reason} is a failure of the host, with QEMU's message and a hint`, async () => {
    using trouble = new BootTrouble();
    trouble.fatalSign({ reason: "kernel-panic", text: "Kernel panic - not syncing: x", atMs: 1 });
    trouble.machineEnded(exit);
    const reason = (await reasonOf(trouble)) as LivelabError;
    assert.equal([reason.kind, reason.code], ["host", "KVM_FAILED"]);
    assert.match(reason.message, /^KVM failed while the guest ran: .*KVM internal error. Suberror: 1$/);
    assert.match(String(reason.hint), "--accel tcg");
  });
}

test("QEMU stopping an emulated guest is a failure of the host", () => {
  const error = errorOfEnd({ reason: "internal-error", code: 0, signal: null, logTail: ["x"] });
  assert.equal([error.kind, error.message], ["host", "QEMU stopped the guest: x"]);
});

test("a machine that the guest ends is a failure of the guest", () => {
  const error = errorOfEnd({ reason: "guest-reset", code: 0, signal: null, logTail: [] });
  assert.equal([error.kind, error.message], ["expectation", "the guest rebooted"]);
});

test("a disposed BootTrouble ignores everything", async () => {
  const trouble = new BootTrouble(1);
  trouble.refused("/x");
  trouble[Symbol.dispose]();
  trouble.machineEnded({ reason: "quit", code: 0, signal: null, logTail: [] });
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.is(trouble.signal.aborted, false);
});

test.run();
