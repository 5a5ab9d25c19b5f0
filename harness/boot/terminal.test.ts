import { PassThrough } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { joinTerminal } from "./terminal.js";

const test = suite("terminal");

/** Both ends of a joined terminal, as a test sees them. */
function join(ended: Promise<unknown> = new Promise(() => {}), signal = new AbortController().signal) {
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
