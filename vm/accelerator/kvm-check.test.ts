import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { describeChecks, type HostCheck } from "../../base/host-check.js";
import { TempDir } from "../../base/temp-dir.js";
import { ABORTS, FakeQemu, type FakeQemuParts, HANGS } from "../../fixtures/fake-qemu.js";
import { within } from "../../fixtures/vm-deadline.js";
import { say, writeKernel } from "../../fixtures/vm-guest-code.js";
import { findQemu, readQemuVersion } from "../qemu/find-qemu.js";
import { AcceleratorCache } from "./accelerator-cache.js";
import { checkMachines } from "./kvm-check.js";

const test = suite("qemu-checks");

test(
  "checkMachines finds everything that a machine needs on this host, and reports a missing KVM as optional",
  within(10_000, async () => {
    await using dir = await TempDir.create("checks");
    const checks = await checkMachines({
      kernelPath: undefined,
      stateDir: dir.path,
      signal: new AbortController().signal,
      kvmDevice: "/dev/livelab-no-kvm",
    });
    assert.equal(
      checks.map(({ name, state }) => `${name}: ${state}`),
      [
        "qemu-system-x86_64: ok",
        "iPXE ROM: ok",
        "UEFI (OVMF): ok",
        "setpriv: ok",
        "pseudo terminals: ok",
        "KVM: optional",
      ],
    );
    assert.match(checks[0]?.detail ?? "", /^\d+\.\d+\.\d+(, livelab's own| at \/)/);
    assert.match(checks[5]?.detail ?? "", "/dev/livelab-no-kvm cannot be opened (ENOENT)");
    assert.match(checks[5]?.remedy ?? "", "modprobe");
  }),
);

/** The checks of a host with a fake QEMU. Asserts that each detail is one line. @param before changes the state's folder */
async function checksWith(
  parts: FakeQemuParts,
  before = async (_stateDir: string): Promise<void> => undefined,
): Promise<readonly HostCheck[]> {
  await using qemu = await FakeQemu.install(parts);
  await before(qemu.folder);
  const kernelPath = join(qemu.folder, "kernel");
  await writeKernel(kernelPath, say("ttyS1", "[    0.000000] Linux version 0\r\n"));
  const checks = await checkMachines({
    kernelPath,
    stateDir: qemu.folder,
    signal: new AbortController().signal,
    kvmDevice: qemu.kvmDevice,
  });
  for (const { detail } of checks) assert.not.match(detail, "\n");
  return checks;
}

const named = (checks: readonly HostCheck[], name: string): HostCheck | undefined =>
  checks.find((check) => check.name === name);

test(
  "a broken KVM is optional, and its detail is only QEMU's first error",
  within(20_000, async () => {
    const checks = await checksWith({ kvm: ABORTS });
    assert.equal([...new Set(checks.map(({ state }) => state))], ["ok", "optional"]);
    const detail = String(named(checks, "KVM")?.detail);
    assert.match(detail, "KVM is broken on this host: error: failed to set MSR 0x10a to 0x69");
    assert.not.match(detail, "Assertion");
  }),
);

test(
  "KVM is ok if a kernel runs under it",
  within(20_000, async () => {
    assert.equal(named(await checksWith({}), "KVM"), { name: "KVM", state: "ok", detail: "a kernel ran under KVM" });
  }),
);

for (const [what, parts, detail] of [
  ["crashes", { version: "kill -SEGV $$" }, /bin\/qemu-system-x86_64 does not run: it was killed by SIGSEGV$/],
  [
    "lacks a library",
    { version: 'echo "qemu-system-x86_64: error while loading shared libraries: libpixman-1.so.0: x" >&2; exit 127' },
    /does not run: error while loading shared libraries: libpixman-1.so.0: x$/,
  ],
  ["fails without a message", { version: "exit 3" }, /does not run: it ended with status 3$/],
  ["hangs while it prints its version", { version: HANGS }, /does not run: it did not end in 5\.0 s$/],
  ["is another program", { version: "echo busybox" }, /is not QEMU: it prints "busybox/],
  [
    "cannot run a machine",
    { kvm: "exit 1", tcg: "exit 1" },
    /^QEMU does not run a machine, not even an emulated one: /,
  ],
] as const) {
  test(
    `a QEMU that ${what} counts as missing, with a detail of one line and what to do`,
    within(30_000, async () => {
      const checks = await checksWith(parts);
      const qemu = named(checks, "qemu-system-x86_64");
      assert.is(qemu?.state, "missing");
      assert.match(String(qemu?.detail), detail);
      assert.match(String(qemu?.remedy), "LIVELAB_QEMU");
      assert.is.not(named(checks, "KVM")?.state, "missing");
    }),
  );
}

test(
  "if no machine runs, the check of QEMU has the error and its remedy and KVM is optional, even if emulation worked a while ago",
  within(20_000, async () => {
    const fails = 'echo "qemu-system-x86_64: -chardev pty,id=ttyS0: Failed to create PTY: No such file" >&2; exit 1';
    const checks = await checksWith({ kvm: fails, tcg: fails }, async (stateDir) => {
      const qemu = await findQemu();
      const cache = await AcceleratorCache.open(stateDir, qemu, await readQemuVersion(qemu));
      await cache.save({ tcg: { afterMs: 1_000, foundAt: new Date().toISOString() } });
    });
    const qemu = named(checks, "qemu-system-x86_64");
    assert.is(qemu?.state, "missing");
    assert.match(String(qemu?.detail), "Failed to create PTY");
    assert.match(String(qemu?.remedy), "devpts");
    assert.is(named(checks, "KVM")?.state, "optional");
  }),
);

test("describeChecks aligns the states, and prints a remedy below its check", () => {
  const text = describeChecks([
    { name: "a", state: "ok", detail: "there" },
    { name: "KVM", state: "optional", detail: "broken", remedy: "mend it" },
  ]);
  assert.is(text, "ok        a    there\noptional  KVM  broken\n               remedy: mend it");
});

test.run();
