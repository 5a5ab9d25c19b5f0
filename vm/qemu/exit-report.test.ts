import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { describeExit, findKvmFailure, readLogTail, startupFailure } from "./exit-report.js";

const test = suite("exit-report");

for (const [said, code] of [
  ["Could not access KVM kernel module: Permission denied", "KVM_UNUSABLE"],
  ["qemu-system-x86_64: failed to initialize kvm: Device or resource busy", "KVM_UNUSABLE"],
  ['qemu-system-x86_64: failed to find romfile "efi-virtio.rom"', "ROM_NOT_FOUND"],
  ["qemu-system-x86_64: -chardev pty,id=ttyS1: Failed to create PTY: No space left on device", "PTY_UNAVAILABLE"],
  ['qemu-system-x86_64: Failed to get shared "write" lock', "EXITED_EARLY"],
  ["Could not open '/kvm/disk': No such file or directory", "EXITED_EARLY"],
] as const) {
  test(`QEMU's message "${said}" at its start gives the error ${code}`, () => {
    const error = startupFailure({ code: 1, signal: null }, [said], "/w/qemu.log");
    assert.is(error.code, code);
    assert.is(error.message, `QEMU ended at its start with status 1: ${said}`);
    assert.ok(error.hint);
  });
}

test("the error for a QEMU that ends at its start without output says so", () => {
  const error = startupFailure({ code: null, signal: "SIGSEGV" }, [], "/w/qemu.log");
  assert.is(error.message, "QEMU ended at its start by SIGSEGV: no output");
});

for (const [signal, said, code] of [
  ["SIGABRT", "Assertion failed", "KVM_FAILED"],
  ["SIGSEGV", "", "KVM_FAILED"],
  [null, "qemu-system-x86_64: kvm_init_vcpu failed", "KVM_FAILED"],
  [null, "qemu-system-x86_64: Could not open '/kvm/disk': No such file or directory", "EXITED_EARLY"],
  [null, 'qemu-system-x86_64: Failed to get shared "write" lock', "EXITED_EARLY"],
] as const) {
  test(`a start under KVM that ends with ${signal ?? "a status"} and "${said}" is ${code}`, () => {
    const exit = { code: signal === null ? 1 : null, signal };
    assert.is(startupFailure(exit, [said], "/w/qemu.log", "kvm").code, code);
    assert.is(startupFailure(exit, [said], "/w/qemu.log", "tcg").code, "EXITED_EARLY");
  });
}

for (const [reason, signal, log, failure] of [
  ["internal-error", null, ["KVM internal error. Suberror: 1", "RAX=0"], "KVM internal error. Suberror: 1"],
  ["internal-error", null, [], "QEMU's run state is internal-error"],
  ["killed", "SIGABRT", ["qemu-system-x86_64: warning: x", "qemu-system-x86_64: y"], "y"],
  ["killed", "SIGABRT", ["x", "error: kvm run failed Bad address"], "error: kvm run failed Bad address"],
  ["killed", "SIGSEGV", [], "SIGSEGV"],
  ["failed", null, ["error: kvm run failed Bad address"], "error: kvm run failed Bad address"],
  ["failed", null, ["no room"], undefined],
  [
    "guest-reset",
    null,
    ["KVM: entry failed, hardware error 0x80000021"],
    "KVM: entry failed, hardware error 0x80000021",
  ],
  ["guest-reset", null, ["qemu-system-x86_64: warning: kvm: x"], undefined],
  ["guest-panic", null, ["KVM internal error. Suberror: 1"], undefined],
  ["quit", "SIGKILL", ["x"], undefined],
] as const) {
  test(`an end with ${reason} and the log ${JSON.stringify(log)} ${failure ? "is" : "is not"} a failure of KVM`, () => {
    assert.is(findKvmFailure({ reason, signal }, "kvm", log), failure);
    assert.is(findKvmFailure({ reason, signal }, "tcg", log), undefined);
  });
}

test("describeExit quotes the last line of a QEMU that ended by itself", () => {
  const report = { reason: "failed", code: 1, signal: null, logTail: ["first", "assertion failed"] } as const;
  assert.is(describeExit(report), "QEMU ended by itself with status 1: assertion failed");
});

test("describeExit names the disk that the host could not write, and the reason", () => {
  const diskError = { path: "/pool", detail: "No space left on device" };
  assert.is(
    describeExit({ reason: "disk-error", code: 0, signal: null, diskError, logTail: [] }),
    "the host could not write the guest's disk /pool: No space left on device",
  );
});

test("readLogTail returns the last lines of a log without notices of ptys, and no lines of a missing log", async () => {
  await using dir = await TempDir.create("log");
  const path = join(dir.path, "qemu.log");
  await writeFile(path, "char device redirected to /dev/pts/1 (label ttyS1)\na\nb\nc\n");
  assert.equal(await readLogTail(path), ["a", "b", "c"]);
  assert.equal(await readLogTail(path, 2), ["b", "c"]);
  assert.equal(await readLogTail(`${path}.none`), []);
});

test.run();
