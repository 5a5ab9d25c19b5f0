import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thrownBy, within } from "../fixtures/vm-deadline.js";
import { say, writeKernel } from "../fixtures/vm-guest-code.js";
import { skipTest } from "../test/runner/skip-test.js";
import { type AcceleratorWish, decideAccelerator } from "./accelerator.js";
import { inspectKvmNode } from "./kvm-node.js";
import { TempDir } from "./temp-dir.js";
import { VmError } from "./vm-error.js";

const test = suite("accelerator");

const FIRST_LINE = say("ttyS1", "[    0.000000] Linux version 0\r\n");
const kvmOpens = (await inspectKvmNode("/dev/kvm")).kind === "open";

const wishIn = (dir: TempDir, changes: Partial<AcceleratorWish> = {}): AcceleratorWish => ({
  want: "auto",
  kernelPath: join(dir.path, "kernel"),
  stateDir: join(dir.path, "state"),
  signal: new AbortController().signal,
  kvmDevice: join(dir.path, "no-kvm"),
  ...changes,
});

test(
  "emulates where there is no KVM, says why, and measures how slow that is",
  within(10_000, async () => {
    await using dir = await TempDir.create("accel");
    await writeKernel(join(dir.path, "kernel"), FIRST_LINE);
    const verdict = await decideAccelerator(wishIn(dir));
    assert.is(verdict.accelerator, "tcg");
    assert.is(verdict.kvm, "no-node");
    assert.is(verdict.reason, `emulation, because ${join(dir.path, "no-kvm")} cannot be opened (ENOENT)`);
    assert.match(String(verdict.remedy), "modprobe kvm_intel");
    assert.ok(verdict.timeScale >= 1 && verdict.timeScale < 12, `${verdict.timeScale}`);
  }),
);

test(
  "remembers what was measured, for this boot of the host and this QEMU alone",
  within(10_000, async () => {
    await using dir = await TempDir.create("accel");
    const kernel = join(dir.path, "kernel");
    await writeKernel(kernel, FIRST_LINE);
    const first = await decideAccelerator(wishIn(dir, { want: "tcg" }));
    await rm(kernel);
    assert.equal(await decideAccelerator(wishIn(dir, { want: "tcg" })), first);

    const memory = join(dir.path, "state", "accelerator.json");
    const kept = JSON.parse(await readFile(memory, "utf8"));
    await writeFile(memory, JSON.stringify({ ...kept, key: "boot of yesterday" }));
    const error = await thrownBy(decideAccelerator(wishIn(dir, { want: "tcg" })));
    assert.match(String(error), kernel);

    await writeKernel(kernel, FIRST_LINE);
    await writeFile(memory, "{ torn");
    assert.is((await decideAccelerator(wishIn(dir, { want: "tcg" }))).accelerator, "tcg");
  }),
);

test(
  "gives emulation ample time when there is no kernel to measure with",
  within(5_000, async () => {
    await using dir = await TempDir.create("accel");
    const verdict = await decideAccelerator(wishIn(dir, { kernelPath: undefined }));
    assert.is(verdict.timeScale, 12);
  }),
);

test(
  "refuses at once when KVM is asked for and there is none",
  within(2_000, async () => {
    await using dir = await TempDir.create("accel");
    const error = await thrownBy(decideAccelerator(wishIn(dir, { want: "kvm" })));
    assert.instance(error, VmError);
    assert.is((error as VmError).code, "KVM_UNUSABLE");
    assert.is((error as VmError).kind, "host");
    assert.match(String((error as VmError).hint), "modprobe");
  }),
);

/** Needs a /dev/kvm that opens, whether or not it works: the kernel is one that prints nothing anywhere. */
const testWithKvm = (title: string, body: () => Promise<void>): void => {
  if (kvmOpens) test(title, body);
  else skipTest(test, title, "/dev/kvm cannot be opened");
};

testWithKvm(
  "does not believe in a KVM whose guest prints nothing",
  within(8_000, async () => {
    await using dir = await TempDir.create("accel");
    await writeKernel(join(dir.path, "kernel"));
    const wish = wishIn(dir, { want: "kvm", kvmDevice: "/dev/kvm", kvmLimitMs: 700 });
    const error = await thrownBy(decideAccelerator(wish));
    assert.is((error as VmError).code, "KVM_UNUSABLE");
    assert.match(String(error), "KVM is broken on this host: no line from the kernel in 0.7 s");
  }),
);

testWithKvm(
  "believes in a KVM whose guest prints its first line, and remembers it",
  within(25_000, async () => {
    await using dir = await TempDir.create("accel");
    const kernel = join(dir.path, "kernel");
    await writeKernel(kernel, FIRST_LINE);
    // Where KVM is itself emulated, firmware alone can take seconds.
    const wish = wishIn(dir, { kvmDevice: "/dev/kvm", kvmLimitMs: 20_000 });
    const verdict = await decideAccelerator(wish);
    assert.is(verdict.accelerator, "kvm");
    assert.is(verdict.kvm, "works");
    assert.is(verdict.reason, "a kernel ran under KVM");
    await rm(kernel);
    assert.equal(await decideAccelerator(wish), verdict);
  }),
);

testWithKvm(
  "does not believe in a KVM that nothing was tried with",
  within(5_000, async () => {
    await using dir = await TempDir.create("accel");
    const verdict = await decideAccelerator(wishIn(dir, { kvmDevice: "/dev/kvm", kernelPath: undefined }));
    assert.is(verdict.accelerator, "tcg");
    assert.is(verdict.kvm, "not-probed");
    assert.is(verdict.reason, "emulation, because there is no kernel yet to try KVM with");
  }),
);

test(
  "ends a probe when it is interrupted",
  within(5_000, async () => {
    await using dir = await TempDir.create("accel");
    await writeKernel(join(dir.path, "kernel"));
    const controller = new AbortController();
    const reason = new Error("interrupted");
    const log = (line: string) => {
      if (line.endsWith("resumed")) controller.abort(reason);
    };
    const verdict = decideAccelerator(wishIn(dir, { want: "tcg", signal: controller.signal, log }));
    assert.is(await thrownBy(verdict), reason);
  }),
);

test.run();
