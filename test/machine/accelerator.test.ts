import { readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isThere } from "../../base/is-there.js";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { requestIn } from "../../fixtures/accelerator-request.js";
import { ABORTS, answers, FakeQemu, type FakeQemuParts, HANGS } from "../../fixtures/fake-qemu.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { halt, idle, say, writeKernel } from "../../fixtures/vm-guest-code.js";
import {
  type AcceleratorRequest,
  decideAccelerator,
  decideOnce,
  dropKvmVerdict,
} from "../../vm/accelerator/accelerator.js";
import { forgetFindings } from "../../vm/accelerator/accelerator-cache.js";
import { VmError } from "../../vm/vm-error.js";

const test = suite("accelerator");

const FIRST_LINE = say("ttyS1", "[    0.000000] Linux version 0\r\n");

test(
  "emulates where there is no KVM, says why, and measures how slow that is",
  within(10_000, async () => {
    await using dir = await TempDir.create("accel");
    await writeKernel(join(dir.path, "kernel"), FIRST_LINE);
    const verdict = await decideAccelerator(requestIn(dir));
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
    const first = await decideAccelerator(requestIn(dir, { preference: "tcg" }));
    await rm(kernel);
    assert.equal(await decideAccelerator(requestIn(dir, { preference: "tcg" })), first);

    const memory = join(dir.path, "state", "accelerator.json");
    const kept = JSON.parse(await readFile(memory, "utf8"));
    await writeFile(memory, JSON.stringify({ ...kept, key: "boot of yesterday" }));
    const error = await thrownBy(decideAccelerator(requestIn(dir, { preference: "tcg" })));
    assert.match(String(error), kernel);

    await writeKernel(kernel, FIRST_LINE);
    await writeFile(memory, "{ torn");
    assert.is((await decideAccelerator(requestIn(dir, { preference: "tcg" }))).accelerator, "tcg");
  }),
);

/** For a fake QEMU: runs a kernel of this name instead of the one that it is handed. */
const emulateKernel = (name: string): string => `emulate "$@" -kernel "$(dirname "$0")/../${name}"`;

/** A request for a machine whose KVM opens and is what `parts` make of it. */
const withQemu = async (
  parts: FakeQemuParts,
  body: (request: AcceleratorRequest, qemu: FakeQemu) => Promise<void>,
  ...code: readonly Buffer[]
): Promise<void> => {
  await using qemu = await FakeQemu.install(parts);
  const kernelPath = join(qemu.folder, "kernel");
  await writeKernel(kernelPath, ...(code.length > 0 ? code : [FIRST_LINE]));
  await writeKernel(join(qemu.folder, "silent"), halt);
  await writeKernel(join(qemu.folder, "slow"), idle, FIRST_LINE);
  const request: AcceleratorRequest = {
    preference: "auto",
    kernelPath,
    stateDir: join(qemu.folder, "state"),
    signal: new AbortController().signal,
    kvmDevice: qemu.kvmDevice,
  };
  await body(request, qemu);
};

const startsOf = async (qemu: FakeQemu, kind: string): Promise<number> =>
  (await readFile(join(qemu.folder, "starts"), "utf8")).split("\n").filter((line) => line === kind).length;

const BROKEN_KVMS: readonly (readonly [what: string, kvm: string, reason: RegExp])[] = [
  ["aborts", ABORTS, /error: failed to set MSR 0x10a to 0x69/],
  ["dies of a segmentation fault, and says nothing", "kill -SEGV $$", /QEMU ended at its start by SIGSEGV/],
  ["is killed by a signal after a warning", 'echo "qemu-system-x86_64: warning: x" >&2; kill -ILL $$', /SIGILL/],
  ["ends with status 0", "exit 0", /QEMU ended at its start with status 0/],
  ["ends with a message of its own", 'echo "/usr/bin/qemu-kvm: no such thing" >&2; exit 77', /: no such thing/],
  ["writes what no terminal should get", "printf '\\033[31mred\\007\\nmore\\n' >&2; exit 1", /: \[31mred/],
  ["says on QMP what is not QMP", "echo 'hello' >&3; exec sleep 60", /not QMP: "hello"/],
  ["closes QMP and goes on", "exec 3>&-; exec sleep 60", /does not speak QMP/],
  [
    "answers a command with nonsense",
    `${answers(1)}; read -r _ <&3; echo '{"return": 7, "id": 2}' >&3; exec sleep 60`,
    /7/,
  ],
  ["has no consoles", `${answers(2)}; exec sleep 60`, /no pty for ttyS1/],
  ["refuses its arguments", 'exec "$real" -bogus', /-bogus: invalid option/],
  [
    "writes that KVM has failed",
    `(${emulateKernel("silent")}) & await_guest "$@"; echo "KVM internal error. Suberror: 1" >&2; wait`,
    /KVM internal error/,
  ],
  ["runs a kernel that says nothing", emulateKernel("silent"), /no line from the kernel in 1.5 s/],
  ["says nothing on QMP", HANGS, /QEMU did not let its guest run in 2.5 s/],
];

/** Short for a QEMU that is waited for to the end of its time; a QEMU that ends may be slow to start on a busy host. */
const limitOf = (reason: RegExp): number | undefined => (/ s$/.test(reason.source) ? 1_500 : undefined);

for (const [what, kvm, reason] of BROKEN_KVMS) {
  test(
    `emulates where a QEMU under KVM ${what}, and gives the reason in one line`,
    within(30_000, () =>
      withQemu({ kvm }, async (request) => {
        const verdict = await decideAccelerator({ ...request, kvmLimitMs: limitOf(reason) });
        assert.equal([verdict.accelerator, verdict.kvm], ["tcg", "broken"]);
        assert.match(verdict.reason, /^emulation, because KVM is broken on this host: /);
        assert.match(verdict.reason, reason);
        assert.not.match(verdict.reason, /\p{Cc}/u);
      }),
    ),
  );
  test(
    `refuses KVM that is asked for where a QEMU under it ${what}`,
    within(10_000, () =>
      withQemu({ kvm }, async (request) => {
        const error = await thrownBy(decideAccelerator({ ...request, preference: "kvm", kvmLimitMs: limitOf(reason) }));
        assert.instance(error, VmError);
        assert.equal([(error as VmError).code, (error as VmError).kind], ["KVM_UNUSABLE", "host"]);
        assert.match((error as VmError).message, /^KVM was asked for, but KVM is broken on this host: /);
        assert.match((error as VmError).message, reason);
      }),
    ),
  );
}

for (const [what, qemu, reason] of [
  ["hangs", HANGS, /QEMU did not let its guest run/],
  ["aborts", "echo 'qemu-system-x86_64: Illegal thing' >&2; kill -ABRT $$", /: Illegal thing$/],
  ["ends at once", "exit 0", /with status 0/],
  ["does not speak QMP", "echo hello >&3; exec sleep 60", /not QMP/],
] as const) {
  test(
    `blames QEMU, not KVM, where it ${what} under KVM and emulated`,
    within(12_000, () =>
      withQemu({ kvm: qemu, tcg: qemu }, async (request) => {
        const error = await thrownBy(decideAccelerator({ ...request, preference: "kvm" }));
        assert.equal([(error as VmError).code, (error as VmError).kind], ["QEMU_BROKEN", "host"]);
        assert.match((error as VmError).message, /^QEMU does not run a machine, not even an emulated one: /);
        assert.match((error as VmError).message, reason);
      }),
    ),
  );
}

test(
  "blames QEMU when it does not run emulated on a host without KVM",
  within(10_000, () =>
    withQemu({ tcg: "exit 3" }, async (request) => {
      const error = await thrownBy(decideAccelerator({ ...request, kvmDevice: `${request.kvmDevice}.none` }));
      assert.equal([(error as VmError).code, (error as VmError).kind], ["QEMU_BROKEN", "host"]);
    }),
  ),
);

test(
  "believes in a KVM whose guest prints its first line, and remembers it",
  within(30_000, () =>
    withQemu({}, async (request, qemu) => {
      const verdict = await decideAccelerator(request);
      assert.equal([verdict.accelerator, verdict.kvm, verdict.reason], ["kvm", "works", "a kernel ran under KVM"]);
      assert.equal(await decideAccelerator(request), verdict);
      assert.is(await startsOf(qemu, "kvm"), 1);
    }),
  ),
);

test(
  "does not believe in a KVM whose guest prints nothing, and does not keep that when none prints anywhere",
  within(30_000, () =>
    withQemu(
      {},
      async (request, qemu) => {
        const error = await thrownBy(decideAccelerator({ ...request, preference: "kvm", kvmLimitMs: 700 }));
        assert.match(String(error), "KVM is broken on this host: no line from the kernel in 0.7 s");
        assert.not.ok(await isThere(join(request.stateDir, "accelerator.json")));
        assert.is(await startsOf(qemu, "tcg"), 0, "a QEMU that ran its guest is not asked again");
      },
      halt,
    ),
  ),
);

test(
  "does not blame QEMU for a KVM that hangs when there is no time left to try QEMU without it",
  within(10_000, () =>
    withQemu({ kvm: HANGS }, async (request, qemu) => {
      const error = await thrownBy(
        decideAccelerator({ ...request, preference: "kvm", kvmLimitMs: 700, refusalLimitMs: 100 }),
      );
      assert.is((error as VmError).code, "KVM_UNUSABLE", String(error));
      assert.match(String(error), "KVM is broken on this host: QEMU did not let its guest run");
      assert.is(await startsOf(qemu, "tcg"), 0);
    }),
  ),
);

test(
  "does not believe in a KVM that nothing was tried with",
  within(5_000, () =>
    withQemu({}, async (request) => {
      const verdict = await decideAccelerator({ ...request, kernelPath: undefined });
      assert.equal([verdict.accelerator, verdict.kvm], ["tcg", "not-probed"]);
      assert.is(verdict.reason, "emulation, because there is no kernel yet to try KVM with");
    }),
  ),
);

test(
  "gives KVM as long as emulation took, on a host too slow for the limit",
  within(30_000, () =>
    withQemu({ tcg: emulateKernel("slow") }, async (request) => {
      const verdict = await decideAccelerator({ ...request, kvmLimitMs: 1 });
      assert.is(verdict.accelerator, "kvm");
    }),
  ),
);

test(
  "asks a busy KVM again, and keeps no verdict of it",
  within(30_000, () =>
    withQemu(
      { kvm: 'echo "ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy" >&2; exit 1' },
      async (request, qemu) => {
        const verdict = await decideAccelerator(request);
        assert.equal([verdict.accelerator, verdict.kvm], ["tcg", "busy"]);
        assert.match(verdict.reason, "Device or resource busy");
        assert.match(String(verdict.remedy), "VirtualBox");
        assert.is(await startsOf(qemu, "kvm"), 3);
        await decideAccelerator(request);
        assert.is(await startsOf(qemu, "kvm"), 6);
      },
    ),
  ),
);

test(
  "remembers a broken KVM for a day, and asks anew when KVM is asked for",
  within(30_000, () =>
    withQemu({ kvm: ABORTS }, async (request, qemu) => {
      const file = join(request.stateDir, "accelerator.json");
      const verdict = await decideAccelerator(request);
      assert.equal(await decideAccelerator(request), verdict);
      assert.is(await startsOf(qemu, "kvm"), 1);
      await thrownBy(decideAccelerator({ ...request, preference: "kvm" }));
      assert.is(await startsOf(qemu, "kvm"), 2);

      const kept = JSON.parse(await readFile(file, "utf8"));
      const dayAgo = (ms: number): string => new Date(Date.now() - 24 * 3600_000 + ms).toISOString();
      for (const [foundAt, starts] of [
        [dayAgo(60_000), 2],
        [dayAgo(-1_000), 3],
        [new Date(Date.now() + 60_000).toISOString(), 4],
        ["some day", 5],
      ] as const) {
        const { kvm, tcg } = kept.findings;
        await writeFile(file, JSON.stringify({ ...kept, findings: { tcg, kvm: { ...kvm, foundAt } } }));
        assert.is((await decideAccelerator(request)).reason, verdict.reason);
        assert.is(await startsOf(qemu, "kvm"), starts, foundAt);
      }
    }),
  ),
);

test(
  "asks anew after a verdict was dropped, and after QEMU was replaced",
  within(30_000, () =>
    withQemu({}, async (request, qemu) => {
      await decideAccelerator(request);
      await dropKvmVerdict(request.stateDir);
      await decideAccelerator(request);
      assert.is(await startsOf(qemu, "kvm"), 2);
      await utimes(qemu.program, 1, 1);
      await decideAccelerator(request);
      assert.is(await startsOf(qemu, "kvm"), 3);
      await forgetFindings(request.stateDir);
      await decideAccelerator(request);
      assert.is(await startsOf(qemu, "kvm"), 4);
      await dropKvmVerdict(join(request.stateDir, "none"));
    }),
  ),
);

test(
  "decides on a host that can keep nothing",
  within(30_000, () =>
    withQemu({}, async (request, qemu) => {
      const stateDir = join(qemu.folder, "file");
      await writeFile(stateDir, "no folder");
      assert.is((await decideAccelerator({ ...request, stateDir })).accelerator, "kvm");
    }),
  ),
);

test(
  "does not keep a verdict that comes of what the host lacks at the moment",
  within(30_000, () =>
    withQemu({ kvm: 'echo "Failed to create PTY: No space left on device" >&2; exit 1' }, async (request, qemu) => {
      assert.is((await decideAccelerator(request)).kvm, "broken");
      await decideAccelerator(request);
      assert.is(await startsOf(qemu, "kvm"), 2);
    }),
  ),
);

test(
  "probes once for all who ask at the same time, and leaves no draft of what it keeps",
  within(30_000, () =>
    withQemu({ kvm: ABORTS }, async (request, qemu) => {
      const verdicts = await Promise.all(Array.from({ length: 5 }, () => decideAccelerator(request)));
      for (const verdict of verdicts) assert.equal(verdict, verdicts[0]);
      assert.equal([await startsOf(qemu, "kvm"), await startsOf(qemu, "tcg")], [1, 1]);
      assert.equal((await readdir(request.stateDir)).sort(), ["accelerator.json", "probe-kvm"]);
      assert.match(await readFile(join(request.stateDir, "probe-kvm/qemu.log"), "utf8"), "failed to set MSR");
    }),
  ),
);

test(
  "two livelabs that probe at once disturb neither each other's probe nor what is kept",
  within(30_000, () =>
    withQemu({}, async (request, qemu) => {
      const verdicts = await Promise.all(
        Array.from({ length: 3 }, async () => {
          const text = `
            const { decideAccelerator } = await import(${JSON.stringify(join(findProjectRoot(), "dist/vm/accelerator/accelerator.js"))});
            const request = ${JSON.stringify({ ...request, signal: undefined })};
            const { accelerator } = await decideAccelerator({ ...request, signal: new AbortController().signal });
            console.log(accelerator);`;
          return (await runProgram(process.execPath, ["--input-type=module", "-e", text])).stdout.trim();
        }),
      );
      assert.equal(verdicts, ["kvm", "kvm", "kvm"]);
      assert.equal(await readdir(request.stateDir), ["accelerator.json"]);
      const starts = await startsOf(qemu, "kvm");
      await decideAccelerator(request);
      assert.is(await startsOf(qemu, "kvm"), starts);
    }),
  ),
);

test(
  "a run decides once, whatever its machines find",
  within(30_000, () =>
    withQemu({ kvm: 'echo "kvm: Device or resource busy" >&2; exit 1' }, async (request, qemu) => {
      const decide = decideOnce();
      const first = await decide(request);
      assert.is(await decide(request), first);
      assert.is(await startsOf(qemu, "kvm"), 3);
    }),
  ),
);

test(
  "a caller that gives up leaves the decision to the others",
  within(30_000, () =>
    withQemu({}, async (request) => {
      const controller = new AbortController();
      const reason = new Error("enough");
      const leaving = decideAccelerator({ ...request, signal: controller.signal });
      const staying = decideAccelerator(request);
      controller.abort(reason);
      assert.is(await thrownBy(leaving), reason);
      assert.is((await staying).accelerator, "kvm");
    }),
  ),
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
    const verdict = decideAccelerator(requestIn(dir, { preference: "tcg", signal: controller.signal, log }));
    assert.is(await thrownBy(verdict), reason);
  }),
);

test.run();
