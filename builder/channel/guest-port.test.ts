import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import type { VmError } from "../../vm/vm-error.js";
import { openGuestPort } from "./guest-port.js";

const test = suite("guest port");

/** A guest on a unix socket that handles each connection with `serve`; `lines` are the lines that it received. */
async function fakeGuest(serve: (socket: Socket, lines: AsyncIterator<string>, nth: number) => Promise<void>) {
  const owned = new DisposableStack();
  const folder = owned.use(await TempDir.create("guest-port"));
  let connections = 0;
  const server = createServer((socket) => {
    owned.defer(() => socket.destroy());
    socket.on("error", () => {});
    connections += 1;
    void serve(socket, linesOf(socket), connections);
  });
  owned.defer(() => server.close());
  const path = join(folder.path, "port");
  server.listen(path);
  await once(server, "listening");
  return { path, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

async function* linesOf(socket: Socket): AsyncGenerator<string> {
  let text = "";
  for await (const chunk of socket) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}

async function nextTime(lines: AsyncIterator<string>): Promise<string | undefined> {
  for (;;) {
    const { value, done } = await lines.next();
    if (done || value.startsWith("time ")) return value;
  }
}

const now = () => 1_700_000_000_250;

/** A program in the role of a busy QEMU: it accepts no connection until it reads from its standard input. */
const BUSY_GUEST = `
  const server = require("node:net").createServer((socket) => {
    socket.on("error", () => {});
    socket.on("close", () => served && process.exit());
    let served = false;
    socket.on("data", (data) => {
      served ||= data.includes("time ");
      socket.write(served ? "SSH-2.0-Busy\\r\\n" : "livelab ready\\n");
    });
  });
  server.listen({ path: process.argv[1], backlog: 1 }, () => {
    require("node:fs").writeSync(1, "listening");
    require("node:fs").readSync(0, Buffer.alloc(16));
  });`;

test(
  "openGuestPort sends the time and returns the stream from the first byte of the banner",
  within(5_000, async () => {
    let received: string | undefined;
    await using guest = await fakeGuest(async (socket, lines) => {
      // The rest of an older session, blanks, and two greetings, one byte at a time.
      for (const byte of Buffer.from("\u0013\u0088packet      \nlivelab ready\nlivelab ready\n", "latin1")) {
        socket.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      received = await nextTime(lines);
      socket.write("livelab ready\nSSH-2.0-Open");
      socket.write("SSH_9.2\r\n");
      const { value } = await lines.next();
      socket.end(`you said ${value}`);
    });
    const stream = await openGuestPort(guest.path, { limitMs: 4_000, now });
    assert.is(received, "time 1700000000.250000");
    stream.write("SSH-2.0-livelab\n");
    let text = "";
    for await (const chunk of stream) text += chunk;
    assert.is(text, "SSH-2.0-OpenSSH_9.2\r\nyou said SSH-2.0-livelab");
  }),
);

test(
  "openGuestPort closes the port to end an older session, and ignores the banner of that session",
  within(8_000, async () => {
    const seen: number[] = [];
    await using guest = await fakeGuest(async (socket, lines, nth) => {
      seen.push(nth);
      socket.write("SSH-2.0-stale\r\n");
      if (nth === 1) return;
      socket.write("livelab ready\n");
      await nextTime(lines);
      socket.end("SSH-2.0-fresh\r\n");
    });
    const stream = await openGuestPort(guest.path, { limitMs: 7_000 });
    let text = "";
    for await (const chunk of stream) text += chunk;
    assert.is(text, "SSH-2.0-fresh\r\n");
    assert.equal(seen, [1, 2]);
  }),
);

test(
  "the timeout of openGuestPort quotes the bytes that the guest sent",
  within(5_000, async () => {
    await using guest = await fakeGuest(async (socket) => {
      socket.write("sh: sshd: not found\n");
    });
    const error = (await thrownBy(openGuestPort(guest.path, { limitMs: 300 }))) as VmError;
    assert.is(error.code, "GUEST_SILENT");
    assert.match(error.message, 'in 300 ms; it sent: "sh: sshd: not found');
    assert.ok(error.hint);
  }),
);

test(
  "openGuestPort waits for a busy QEMU that accepts no connections and whose queue is full",
  within(8_000, async () => {
    await using folder = await TempDir.create("guest-port");
    const path = join(folder.path, "port");
    // It listens, but accepts no connection until it reads from its standard input.
    const busy = spawn(process.execPath, ["--eval", BUSY_GUEST, path], { stdio: ["pipe", "pipe", "inherit"] });
    await once(busy.stdout, "data");
    const queue = new DisposableStack();
    for (let full = false; !full; ) {
      const waiting = connect(path);
      queue.defer(() => waiting.destroy());
      full = await once(waiting, "connect").then(
        () => false,
        () => true,
      );
    }
    const opening = openGuestPort(path, { limitMs: 7_000 });
    await sleep(300);
    await queue[Symbol.asyncDispose]();
    busy.stdin.end("go on");
    const stream = await opening;
    stream.destroy();
    await once(busy, "exit");
  }),
);

for (const [when, ends] of [
  ["before it sends anything", async (socket: Socket) => void socket.destroy()],
  [
    "after it receives the time",
    async (socket: Socket, lines: AsyncIterator<string>) => {
      socket.write("livelab ready\n");
      await nextTime(lines);
      socket.destroy();
    },
  ],
] as const) {
  test(
    `openGuestPort fails at once if the machine ends ${when}`,
    within(2_000, async () => {
      await using guest = await fakeGuest(ends);
      const error = await thrownBy(openGuestPort(guest.path, { limitMs: 60_000 }));
      assert.is((error as VmError).code, "PORT_CLOSED");
    }),
  );
}

test(
  "openGuestPort fails at once if the machine is missing, and if its signal aborts",
  within(2_000, async () => {
    const error = await thrownBy(openGuestPort("/nonexistent/port", { limitMs: 60_000 }));
    assert.is((error as VmError).code, "PORT_CLOSED");
    await using guest = await fakeGuest(async () => {});
    const reason = new Error("interrupted");
    const controller = new AbortController();
    const opening = thrownBy(openGuestPort(guest.path, { limitMs: 60_000, signal: controller.signal }));
    setImmediate(() => controller.abort(reason));
    assert.is(await opening, reason);
    assert.is(await thrownBy(openGuestPort(guest.path, { limitMs: 60_000, signal: controller.signal })), reason);
  }),
);

test.run();
