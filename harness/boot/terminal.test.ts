import { PassThrough } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { joinTerminal } from "./terminal.js";

const test = suite("terminal");

/** Both ends of a joined terminal, as a test sees them. */
function join(
  ended: Promise<unknown> = new Promise(() => {}),
  signal = new AbortController().signal,
  accepted: Promise<void> = Promise.resolve(),
) {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const written: string[] = [];
  let say: (chunk: Buffer) => void = () => {};
  const line = {
    onData: (listener: (chunk: Buffer) => void) => {
      say = listener;
      return () => {
        say = () => {};
      };
    },
    write: async (data: Uint8Array | string) => {
      written.push(Buffer.from(data).toString());
      await accepted;
    },
    closed: new Promise<void>(() => {}),
  };
  const left = joinTerminal(line, { stdin: stdin as unknown as NodeJS.ReadStream, stdout }, { ended, signal });
  return { stdin, stdout, written, left, say: (text: string) => say(Buffer.from(text)) };
}

test("keys go to the line, up to Ctrl-], which disconnects", async () => {
  const { stdin, written, left } = join();
  stdin.write("ro");
  await new Promise(setImmediate);
  stdin.write("ot\n\x1dnot this");
  await left;
  assert.is(written.join(""), "root\n");
});

test("output of the line goes to the terminal until it disconnects", async () => {
  const { stdin, stdout, say, left } = join();
  say("cn-38 login: ");
  stdin.end();
  await left;
  say("unseen");
  assert.is(String(stdout.read()), "cn-38 login: ");
});

test("the end of the machine disconnects the terminal", async () => {
  const { left } = join(Promise.resolve());
  await left;
});

test("a guest that reads nothing gets a paste later, and Ctrl-] still disconnects", async () => {
  const { stdin, written, left } = join(undefined, undefined, new Promise(() => {}));
  const paste = "0123456789".repeat(10_000);
  stdin.write(paste);
  await new Promise(setImmediate);
  stdin.write("\x1d");
  await left;
  assert.is(written.join(""), paste);
});

test("an endless input waits for a guest that reads nothing", async () => {
  let accept: () => void = () => {};
  const accepted = new Promise<void>((resolve) => {
    accept = resolve;
  });
  const { stdin, written, left } = join(undefined, undefined, accepted);
  const chunk = Buffer.alloc(64 * 1024, "x");
  const size = (): number => written.join("").length;
  for (let sent = 0; sent < 100; sent += 1) {
    stdin.write(chunk);
    await new Promise(setImmediate);
  }
  assert.ok(size() > 2 ** 20 && size() < 2 ** 21, `${size()} bytes are queued`);
  accept();
  while (size() < 100 * chunk.length) await new Promise(setImmediate);
  stdin.end();
  await left;
  assert.is(size(), 100 * chunk.length);
});

test("an abort disconnects the terminal with its reason", async () => {
  const controller = new AbortController();
  const { left } = join(undefined, controller.signal);
  controller.abort(new Error("interrupted"));
  try {
    await left;
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, "interrupted");
  }
});

test.run();
