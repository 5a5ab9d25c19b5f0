import { readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { countSlowly, writeBootDisk } from "../../fixtures/vm-guest-code.js";
import { smallMachine } from "../../fixtures/vm-small-machine.js";
import { launchMachine } from "../../vm/machine.js";
import type { MachineSpec } from "../../vm/machine-spec.js";
import { VmError } from "../../vm/vm-error.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const test = suite("saved state");

/** Waits until a machine's guest has counted, and returns the numbers. */
async function counted(workDir: string): Promise<Buffer> {
  for (;;) {
    const said = await readFile(join(workDir, "ttyS1.log"));
    if (said.length > 3) return said;
    await sleep(20);
  }
}

const counting = (folder: string): MachineSpec =>
  smallMachine(join(folder, "disk"), {
    serial: ["null", "null"],
    ports: [{ name: "org.livelab.ssh", socketPath: join(folder, "port") }],
  });

/** A machine whose guest has counted for a while. */
async function launchCounting(folder: string) {
  await writeBootDisk(join(folder, "disk"), countSlowly("ttyS1"));
  const machine = await launchMachine(counting(folder), { workDir: folder });
  await machine.resume();
  await counted(folder);
  return machine;
}

test(
  "a machine started from a saved state continues where it stopped",
  within(10_000, async () => {
    await using dir = await TempDir.create("state");
    const state = join(dir.path, "it's a state");
    let before: Buffer;
    {
      await using machine = await launchCounting(dir.path);
      await machine.saveState(state);
      assert.is((await machine.stop()).reason, "quit");
      before = await counted(dir.path);
    }
    assert.is((await stat(state)).mode & 0o777, 0o600);
    // Several machines can start from one state.
    for (const name of ["one", "two"]) {
      const workDir = join(dir.path, name);
      await using machine = await launchMachine(counting(dir.path), { workDir, restoreFrom: state });
      await sleep(100);
      assert.is((await readFile(join(workDir, "ttyS1.log"))).length, 0, "it is paused");
      await machine.resume();
      assert.is((await counted(workDir))[0], ((before.at(-1) ?? 0) + 1) % 256);
    }
  }),
);

for (const [what, spoil, words] of [
  ["is cut short", (state: string) => truncate(state, 100_000), /Input\/output error/],
  ["is something else", (state: string) => writeFile(state, "no state"), /[Nn]ot a migration stream/],
  ["is empty", (state: string) => truncate(state, 0), /it is empty/],
  ["is missing", async () => {}, /no such file/],
] as const) {
  test(
    `a saved state that ${what} is rejected with QEMU's message`,
    within(10_000, async () => {
      await using dir = await TempDir.create("state");
      const state = join(dir.path, "state");
      if (what !== "is missing") {
        await using machine = await launchCounting(dir.path);
        await machine.saveState(state);
      }
      await spoil(state);
      await writeBootDisk(join(dir.path, "disk"));
      const launch = launchMachine(counting(dir.path), { workDir: join(dir.path, "again"), restoreFrom: state });
      const error = await thrownBy(launch);
      assert.instance(error, VmError);
      assert.is((error as VmError).code, "STATE_REJECTED");
      assert.match((error as VmError).message, words);
    }),
  );
}

test(
  "a saved state is rejected by a machine with other memory or other devices",
  within(10_000, async () => {
    await using dir = await TempDir.create("state");
    const state = join(dir.path, "state");
    {
      await using machine = await launchCounting(dir.path);
      await machine.saveState(state);
    }
    for (const changes of [{ memoryMib: 64 }, { ports: [] }]) {
      const spec = { ...counting(dir.path), ...changes };
      const error = await thrownBy(launchMachine(spec, { workDir: join(dir.path, "other"), restoreFrom: state }));
      assert.is((error as VmError).code, "STATE_REJECTED");
    }
  }),
);

test(
  "an aborted save leaves no partial state",
  within(10_000, async () => {
    await using dir = await TempDir.create("state");
    await using machine = await launchCounting(dir.path);
    const reason = new Error("interrupted");
    const options = { signal: AbortSignal.abort(reason) };
    assert.is(await thrownBy(machine.saveState(join(dir.path, "state"), options)), reason);
    const controller = new AbortController();
    const saved = machine.saveState(join(dir.path, "state"), { signal: controller.signal });
    controller.abort(reason);
    assert.is(await thrownBy(saved), reason);
    assert.equal(
      (await readdir(dir.path)).filter((name) => name.startsWith("state")),
      [],
    );
  }),
);

test(
  "a machine that ends during a save leaves no partial state",
  within(10_000, async () => {
    await using dir = await TempDir.create("state");
    await using machine = await launchCounting(dir.path);
    const saved = thrownBy(machine.saveState(join(dir.path, "state")));
    process.kill(machine.pid, "SIGKILL");
    assert.is(((await saved) as VmError).code, "STATE_NOT_SAVED");
    assert.not((await readdir(dir.path)).some((name) => name.startsWith("state")));
  }),
);

const DISK_FULL = "a full disk leaves no partial state, and is reported";
testUnless(
  test,
  DISK_FULL,
  needsRoot("to mount a small file system"),
  within(10_000, async () => {
    await using dir = await TempDir.create("state");
    await using full = await TempDir.create("full");
    await runProgram("mount", ["-t", "tmpfs", "-o", "size=64k", "livelab-test", full.path]);
    try {
      await using machine = await launchCounting(dir.path);
      const error = await thrownBy(machine.saveState(join(full.path, "state")));
      assert.is((error as VmError).code, "STATE_NOT_SAVED");
      assert.match(String(error), "no space left on device");
      assert.equal(await readdir(full.path), []);
    } finally {
      await runProgram("umount", [full.path]);
    }
  }),
);

test.run();
