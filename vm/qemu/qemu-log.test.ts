import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { firstErrorLine, kvmErrorLine, kvmStopLine, readLogLines } from "./qemu-log.js";

const test = suite("qemu-log");

for (const [lines, first] of [
  [["qemu-system-x86_64: error: failed to set MSR", "more"], "error: failed to set MSR"],
  [["/usr/libexec/qemu-kvm: -accel kvm: no such thing"], "-accel kvm: no such thing"],
  [["char device redirected to /dev/pts/1 (label ttyS1)", "", "x"], "x"],
  [["qemu-system-x86_64: warning: host lacks svm", "qemu-system-x86_64: it is over"], "it is over"],
  [["KVM: entry failed, hardware error 0x80000021"], "KVM: entry failed, hardware error 0x80000021"],
  [["\u001b[31mred\u0007 \r"], "[31mred"],
  [["y".repeat(300)], "y".repeat(200)],
  [["qemu-system-x86_64: warning: x"], undefined],
  [
    ["qemu-system-x86_64: -accel kvm: warning: Number of SMP cpus requested (2) exceeds those supported by KVM (1)"],
    undefined,
  ],
  [["qemu-system-x86_64: -drive file=/a: b,format=raw: info: no cache", "it is over"], "it is over"],
  [[], undefined],
] as const) {
  test(`the first error of ${JSON.stringify(lines).slice(0, 90)} is ${first?.slice(0, 60)}`, () => {
    assert.is(firstErrorLine(lines), first);
  });
}

for (const [line, isKvms] of [
  ["KVM internal error. Suberror: 1", true],
  ["qemu-system-x86_64: -accel kvm: failed to initialize kvm: Permission denied", true],
  ["ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy", true],
  ["qemu-system-x86_64: ../target/i386/kvm/kvm.c:3183: kvm_buf_set_msrs: Assertion failed.", true],
  ["Could not open '/srv/kvm/disk'", false],
  ["qemu-kvm: no room", false],
  ["qemu-system-x86_64: warning: kvm: unsupported", false],
  [
    "qemu-system-x86_64: -accel kvm: warning: Number of hotpluggable cpus requested (2) exceeds those of KVM (1)",
    false,
  ],
] as const) {
  test(`the line "${line}" ${isKvms ? "is" : "is not"} an error of KVM`, () => {
    assert.is(kvmErrorLine([line]) !== undefined, isKvms);
  });
}

for (const [line, isStop] of [
  ["KVM internal error. Suberror: 4", true],
  ["KVM: entry failed, hardware error 0x7", true],
  ["KVM: unknown exit, hardware reason 31", true],
  ["error: kvm run failed Bad address", true],
  ["KVM_RUN failed: -14", true],
  ["kvm: enabling dirty ring failed", false],
] as const) {
  test(`the line "${line}" ${isStop ? "means" : "does not mean"} that QEMU stopped the guest`, () => {
    assert.is(kvmStopLine([line]) !== undefined, isStop);
  });
}

test("readLogLines reads both ends of a long log, and returns no lines of a missing log", async () => {
  await using dir = await TempDir.create("log");
  const path = join(dir.path, "qemu.log");
  await writeFile(path, `first\n${"filler\n".repeat(60_000)}last`);
  const lines = await readLogLines(path);
  assert.equal([lines[0], lines.at(-1)], ["first", "last"]);
  assert.ok(lines.length < 20_000);
  assert.equal(await readLogLines(`${path}.none`), []);
});

test.run();
