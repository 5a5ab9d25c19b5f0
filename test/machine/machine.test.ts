import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { waitAtMost } from "../../base/wait-at-most.js";
import { ABORTS, answers, FakeQemu, LATER } from "../../fixtures/fake-qemu.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import {
  countSlowly,
  halt,
  panic,
  powerOff,
  reset,
  say,
  writeBootDisk,
  writeDisk,
} from "../../fixtures/vm-guest-code.js";
import { smallMachine } from "../../fixtures/vm-small-machine.js";
import { kvmFailureOf } from "../../vm/accelerator/kvm-failure.js";
import { createRawDisk } from "../../vm/disk-image.js";
import { launchMachine } from "../../vm/machine.js";
import type { ExitReport } from "../../vm/qemu/exit-report.js";
import { SerialLine } from "../../vm/serial/serial-line.js";
import { VmError } from "../../vm/vm-error.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const test = suite("machine");

/** Reads a serial line until `end`. */
async function readUntil(line: SerialLine, end: string): Promise<string> {
  let text = "";
  await waitAtMost(
    new Promise<void>((resolve) => {
      line.onData((chunk) => {
        text += chunk.toString();
        if (text.includes(end)) resolve();
      });
    }),
    { limitMs: 5_000, onLimit: () => new Error(`the line did not print "${end}", only: ${JSON.stringify(text)}`) },
  );
  return text;
}

test(
  "a machine runs nothing before it is resumed, and then loses no byte of either serial line",
  within(10_000, async () => {
    await using dir = await TempDir.create("machine");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, say("ttyS0", "one."), say("ttyS1", "two."));
    await using machine = await launchMachine(smallMachine(disk, { serial: ["pty", "pty"] }), { workDir: dir.path });
    await using first = await SerialLine.open(machine.serialPath("ttyS0"));
    await using second = await SerialLine.open(machine.serialPath("ttyS1"));
    const both = Promise.all([readUntil(first, "one."), readUntil(second, "two.")]);
    await sleep(200);
    assert.is(await readFile(join(dir.path, "ttyS1.log"), "utf8"), "");
    await machine.resume();
    const [one, two] = await both;
    assert.match(one, "SeaBIOS");
    assert.is(two, "two.");
    await machine.stop(); // QEMU writes its log after the line
    assert.is(await readFile(join(dir.path, "ttyS1.log"), "utf8"), "two.");
  }),
);

for (const [what, code, reason] of [
  ["powers off", powerOff, "guest-shutdown"],
  ["reboots", reset, "guest-reset"],
  ["panics", panic, "guest-panic"],
] as const) {
  test(
    `a machine whose guest ${what} reports it within 2 s, with the guest's last output`,
    within(10_000, async () => {
      await using dir = await TempDir.create("machine");
      const disk = join(dir.path, "disk");
      await writeBootDisk(disk, say("ttyS1", "the last words."), code);
      await using machine = await launchMachine(smallMachine(disk), { workDir: dir.path });
      await using line = await SerialLine.open(machine.serialPath("ttyS1"));
      const words = readUntil(line, "words.");
      await machine.resume();
      assert.is(await words, "the last words.");
      const spoken = performance.now();
      const report = await machine.exited;
      assert.ok(performance.now() - spoken < 2_000);
      assert.is(report.reason, reason);
      assert.is(report.code, 0);
      assert.equal(await machine.stop(), report);
    }),
  );
}

const DISK_FULL = "a guest whose disk the host cannot write does not hang";
testUnless(
  test,
  DISK_FULL,
  needsRoot("to mount a small file system"),
  within(10_000, async () => {
    await using dir = await TempDir.create("full-disk");
    await using work = await TempDir.create("machine");
    await runProgram("mount", ["-t", "tmpfs", "-o", "size=64k", "livelab-test", dir.path]);
    try {
      const disk = join(dir.path, "disk");
      await writeBootDisk(join(work.path, "disk"), writeDisk);
      // Only the boot sector takes space; the rest is a hole that the full file system cannot fill.
      await writeFile(disk, (await readFile(join(work.path, "disk"))).subarray(0, 512));
      await truncate(disk, 1024 * 1024);
      await writeFile(join(dir.path, "filler"), Buffer.alloc(64 * 1024)).catch(() => {});
      const spec = smallMachine(disk, { disks: [{ path: disk, format: "raw" }] });
      await using machine = await launchMachine(spec, { workDir: work.path });
      await machine.resume();
      const { reason, diskError } = await machine.exited;
      assert.is(reason, "disk-error");
      assert.equal(diskError, { path: disk, detail: "No space left on device" });
    } finally {
      await runProgram("umount", [dir.path]);
    }
  }),
);

test(
  "a machine shares a read-only disk with another machine, and no other disk",
  within(10_000, async () => {
    await using dir = await TempDir.create("machine");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, say("ttyS1", "booted"));
    const launchIn = (name: string, spec = smallMachine(disk)) =>
      launchMachine(spec, { workDir: join(dir.path, name) });
    await using one = await launchIn("one");
    await using two = await launchIn("two");
    for (const machine of [one, two]) {
      await using line = await SerialLine.open(machine.serialPath("ttyS1"));
      const said = readUntil(line, "booted");
      await machine.resume();
      await said;
    }
    const writer = smallMachine(disk, { disks: [{ path: disk, format: "raw" }] });
    const error = await thrownBy(launchIn("three", writer));
    assert.match(String((error as VmError).hint), "another machine uses this disk");
  }),
);

test(
  "a machine is stopped once, and every call of stop() gets the same report",
  within(10_000, async () => {
    await using dir = await TempDir.create("machine");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, halt);
    const steps: string[] = [];
    await using machine = await launchMachine(smallMachine(disk), {
      workDir: dir.path,
      log: (line) => steps.push(line),
    });
    await machine.resume();
    const [one, two] = await Promise.all([machine.stop(), machine.stop()]);
    assert.is(one.reason, "quit");
    assert.is(one, two);
    assert.is(steps.filter((step) => step.endsWith("stop: quit")).length, 1);
  }),
);

test(
  "stop() ends a QEMU that hangs",
  within(15_000, async () => {
    await using dir = await TempDir.create("machine");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, halt);
    await using machine = await launchMachine(smallMachine(disk), { workDir: dir.path });
    process.kill(machine.pid, "SIGSTOP");
    const report = await machine.stop();
    assert.is(report.reason, "quit");
    assert.is(report.signal, "SIGKILL");
  }),
);

test(
  "a machine reports that another program killed QEMU",
  within(10_000, async () => {
    await using dir = await TempDir.create("machine");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, halt);
    await using machine = await launchMachine(smallMachine(disk), { workDir: dir.path });
    await machine.resume();
    process.kill(machine.pid, "SIGKILL");
    const report = await machine.exited;
    assert.is(report.reason, "killed");
    assert.is(report.signal, "SIGKILL");
    const error = await thrownBy(machine.resume());
    assert.is((error as VmError).code, "QMP_CLOSED");
  }),
);

/** Runs a machine whose QEMU fails like this under KVM a moment after its start. */
async function endUnderKvm(kvm: string): Promise<ExitReport> {
  await using qemu = await FakeQemu.install({ kvm });
  const disk = join(qemu.folder, "disk");
  await writeBootDisk(disk, halt);
  const spec = { ...smallMachine(disk), accelerator: "kvm" } as const;
  await using machine = await launchMachine(spec, { workDir: join(qemu.folder, "work") });
  await machine.resume();
  return await machine.exited;
}

const KVM_ERROR = 'echo "KVM internal error. Suberror: 1" >&2; echo "RAX=0000000000000000" >&2';

for (const [what, kvm, reason, failure] of [
  ["stops its guest and says why in its log", `${LATER}; ${KVM_ERROR}; wait`, "internal-error", /KVM internal error/],
  [
    "says why, and hangs",
    `trap '' TERM; ${LATER}; ${KVM_ERROR}; kill -STOP $pid; wait`,
    "internal-error",
    /KVM internal error/,
  ],
  ["aborts", `${LATER}; kill -KILL $pid; echo "it was unwell" >&2; kill -ABRT $$`, "killed", /it was unwell/],
  ["is killed without a word", `${LATER}; kill -KILL $pid; kill -SEGV $$`, "killed", /SIGSEGV/],
  [
    "ends with a status, and names KVM",
    `${LATER}; kill -KILL $pid; echo "error: kvm run failed Bad address" >&2; exit 1`,
    "failed",
    /kvm run failed/,
  ],
  [
    "stops its guest and says so on QMP alone",
    `${answers(3)}
     echo '{"event": "STOP"}' >&3
     read -r _ <&3; echo '{"return": {"status": "internal-error", "running": false}, "id": 4}' >&3
     read -r _ <&3; exit 0`,
    "internal-error",
    /internal-error/,
  ],
] as const) {
  test(
    `KVM's failure is distinguished from the guest's when QEMU ${what}`,
    within(10_000, async () => {
      const report = await endUnderKvm(kvm);
      assert.is(report.reason, reason);
      assert.match(String(report.kvmFailure), failure);
      assert.is(kvmFailureOf(report)?.kind, "host");
    }),
  );
}

test(
  "a QEMU that stops its guest for another reason counts as running",
  within(10_000, async () => {
    const report = await endUnderKvm(`${answers(3)}
      echo '{"event": "STOP"}' >&3
      read -r _ <&3; echo '{"return": {"status": "paused", "running": false}, "id": 4}' >&3
      sleep 0.5
      echo '{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}' >&3
      read -r _ <&3; exit 0`);
    assert.equal([report.reason, report.kvmFailure], ["guest-shutdown", undefined]);
  }),
);

test(
  "a start that fails under KVM is a failure of the host, however it fails",
  within(20_000, async () => {
    for (const kvm of [ABORTS, "echo hello >&3; exec sleep 60", 'echo "kvm_init_vcpu: no" >&2; exit 1']) {
      const error = await thrownBy(endUnderKvm(kvm));
      assert.equal([(error as VmError).code, (error as VmError).kind], ["KVM_FAILED", "host"]);
    }
  }),
);

test(
  "a QEMU that exits at its start is reported within 2 s with its output",
  within(5_000, async () => {
    await using dir = await TempDir.create("machine");
    const disk = join(dir.path, "no, such disk");
    const start = performance.now();
    const error = await thrownBy(launchMachine(smallMachine(disk), { workDir: join(dir.path, "work") }));
    assert.ok(performance.now() - start < 2_000);
    assert.is((error as VmError).code, "EXITED_EARLY");
    assert.match(String(error), `Could not open '${disk}': No such file or directory`);
    assert.match(String((error as VmError).hint), "argv.txt");
  }),
);

test(
  "an aborted signal prevents a machine's launch, and an abort during the launch ends it",
  within(5_000, async () => {
    await using dir = await TempDir.create("machine");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, halt);
    const reason = new Error("interrupted");
    const options = { workDir: dir.path, signal: AbortSignal.abort(reason) };
    assert.is(await thrownBy(launchMachine(smallMachine(disk), options)), reason);

    const controller = new AbortController();
    let pid = 0;
    const log = (line: string) => {
      pid = Number(/pid (\d+)/.exec(line)?.[1] ?? pid);
      controller.abort(reason);
    };
    const launch = launchMachine(smallMachine(disk), { workDir: dir.path, signal: controller.signal, log });
    assert.is(await thrownBy(launch), reason);
    await sleep(200);
    assert.throws(() => process.kill(pid, 0), /ESRCH/);
  }),
);

test(
  "a running machine accepts as many disks as it has slots, and none that another machine uses",
  within(10_000, async () => {
    await using dir = await TempDir.create("machine");
    const [disk, late, used] = ["disk", "late", "used"].map((name) => join(dir.path, name)) as [string, string, string];
    await writeBootDisk(disk, countSlowly("ttyS1"));
    for (const path of [late, used]) await createRawDisk(path, 1024 * 1024);
    await using machine = await launchMachine(smallMachine(disk, { freeDiskSlots: 2 }), { workDir: dir.path });
    await machine.resume();
    await machine.plugDisk({ path: late, format: "raw" });
    await using _other = await launchMachine(smallMachine(disk, { disks: [{ path: used, format: "raw" }] }), {
      workDir: join(dir.path, "other"),
    });
    assert.match(String(await thrownBy(machine.plugDisk({ path: used, format: "raw" }))), "lock");
    const none = await thrownBy(machine.plugDisk({ path: late, format: "raw" }));
    assert.is((none as VmError).code, "NO_FREE_SLOT");
  }),
);

test(
  "an unknown serial line is rejected with the names of the existing ones",
  within(5_000, async () => {
    await using dir = await TempDir.create("machine");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, halt);
    await using machine = await launchMachine(smallMachine(disk), { workDir: dir.path });
    assert.throws(
      () => machine.serialPath("ttyS0"),
      (error: unknown) => error instanceof VmError && error.message.endsWith("has no pty for ttyS0; it has: ttyS1"),
    );
  }),
);

test(
  "a machine leaves a command line that runs the same machine again",
  within(10_000, async () => {
    await using dir = await TempDir.create("machine");
    const disk = join(dir.path, "it's a disk");
    await writeBootDisk(disk, say("ttyS1", "again"), halt);
    await (await launchMachine(smallMachine(disk), { workDir: dir.path })).stop();
    const { stdout } = await runProgram("/bin/sh", [join(dir.path, "argv.txt")], {
      stdin: "info status\nquit\n",
      limitMs: 5_000,
    });
    assert.match(stdout, "VM status: paused");
  }),
);

test.run();
