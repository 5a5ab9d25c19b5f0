import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { echo, halt, say, sayCounting, writeBootDisk } from "../../fixtures/vm-guest-code.js";
import { smallMachine } from "../../fixtures/vm-small-machine.js";
import { launchMachine } from "../../vm/machine.js";
import { SerialLine } from "../../vm/serial/serial-line.js";
import { VmError } from "../../vm/vm-error.js";

const test = suite("serial-line");

const codeOf = (error: unknown) => (error instanceof VmError ? error.code : error);

/** Collects the bytes of a line; `until` resolves when `count` bytes have arrived. */
function collect(line: SerialLine) {
  const chunks: Buffer[] = [];
  let length = 0;
  let wake = () => {};
  const stop = line.onData((chunk) => {
    chunks.push(chunk);
    length += chunk.length;
    wake();
  });
  return {
    stop,
    until: async (count: number): Promise<Buffer> => {
      while (length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return Buffer.concat(chunks);
    },
  };
}

test(
  "a serial line delivers every byte of a guest that writes at full speed",
  within(10_000, async () => {
    await using dir = await TempDir.create("line");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, sayCounting("ttyS1", 60_000));
    await using machine = await launchMachine(smallMachine(disk), { workDir: dir.path });
    await using line = await SerialLine.open(machine.serialPath("ttyS1"));
    const collected = collect(line);
    await machine.resume();
    const data = await collected.until(60_000);
    assert.is(data.length, 60_000);
    assert.is(
      data.findIndex((byte, index) => byte !== index % 256),
      -1,
    );
  }),
);

test(
  "a serial line keeps bytes that arrive while it has no listener",
  within(10_000, async () => {
    await using dir = await TempDir.create("line");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, say("ttyS1", "early"), echo("ttyS1"));
    await using machine = await launchMachine(smallMachine(disk), { workDir: dir.path });
    await using line = await SerialLine.open(machine.serialPath("ttyS1"));
    await machine.resume();
    await sleep(300);
    const first = collect(line);
    assert.is((await first.until(5)).toString(), "early");
    first.stop();
    await line.write("late");
    await sleep(100);
    assert.is((await collect(line).until(4)).toString(), "late");
  }),
);

test(
  "a serial line transfers all bytes unchanged in both directions, also those that a terminal would interpret",
  within(10_000, async () => {
    await using dir = await TempDir.create("line");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, say("ttyS1", "!"), echo("ttyS1"));
    await using machine = await launchMachine(smallMachine(disk), { workDir: dir.path });
    await using line = await SerialLine.open(machine.serialPath("ttyS1"));
    const collected = collect(line);
    await machine.resume();
    await collected.until(1);
    const all = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    await line.write(all);
    assert.equal((await collected.until(257)).subarray(1), all);
  }),
);

for (const [who, listens] of [
  ["a listener", true],
  ["no listener", false],
] as const) {
  test(
    `a serial line with ${who} closes when the machine ends, and a later write fails with LINE_CLOSED`,
    within(5_000, async () => {
      await using dir = await TempDir.create("line");
      const disk = join(dir.path, "disk");
      await writeBootDisk(disk, halt);
      await using machine = await launchMachine(smallMachine(disk), { workDir: dir.path });
      await using line = await SerialLine.open(machine.serialPath("ttyS1"));
      if (listens) line.onData(() => {});
      process.kill(machine.pid, "SIGKILL");
      await line.closed;
      assert.is(codeOf(await thrownBy(line.write("x"))), "LINE_CLOSED");
    }),
  );
}

test(
  "a serial line can be disposed of several times",
  within(5_000, async () => {
    await using dir = await TempDir.create("line");
    const disk = join(dir.path, "disk");
    await writeBootDisk(disk, halt);
    await using machine = await launchMachine(smallMachine(disk), { workDir: dir.path });
    const line = await SerialLine.open(machine.serialPath("ttyS1"));
    await Promise.all([line[Symbol.asyncDispose](), line[Symbol.asyncDispose]()]);
    await line.closed;
    assert.is(codeOf(await thrownBy(line.write("x"))), "LINE_CLOSED");
    await using _again = await SerialLine.open(machine.serialPath("ttyS1"));
  }),
);

test(
  "the error for a device that cannot be opened names the device",
  within(5_000, async () => {
    const error = await thrownBy(SerialLine.open("/dev/livelab-no-such-line"));
    assert.is(codeOf(error), "LINE_NOT_OPENED");
    assert.match(String(error), "/dev/livelab-no-such-line");
  }),
);

test.run();
