import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { FedLine } from "../../fixtures/fed-line.js";
import { ExpectationFailed } from "../harness-error.js";
import { Console } from "./console.js";
import { ConsoleLog } from "./console-log.js";

const test = suite("Console");

const soon = (what = "the line") => ({ what, timeoutMs: 2_000, signal: AbortSignal.timeout(4_000) });

async function failureOf(promise: Promise<unknown>): Promise<ExpectationFailed> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ExpectationFailed) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

test("waitFor() finds a line that came before the wait, and never matches the same text twice", async () => {
  const line = new FedLine();
  await using console = new Console(line);
  line.feed("one 1\r\ntwo 2\r\none 3\r\n");
  assert.is((await console.waitFor(/^one (\d)/, soon())).match[1], "1");
  assert.is((await console.waitFor(/^one (\d)/, soon())).match[1], "3");
  const third = console.waitFor(/^one (\d)/, soon());
  line.feed("one 4\r\n");
  assert.is((await third).match[1], "4");
});

test("waitFor() does not match an unfinished line", async () => {
  const line = new FedLine();
  await using console = new Console(line);
  const hostid = console.waitFor(/^triton: hostid ([0-9a-f]+)/, soon());
  line.feed("triton: hostid 73cb");
  await new Promise((resolve) => setImmediate(resolve));
  line.feed("1ae8\r\n");
  assert.is((await hostid).match[1], "73cb1ae8");
});

test("a prompt without a line end matches once, and not again when its line ends", async () => {
  const line = new FedLine();
  await using console = new Console(line);
  const prompts: string[] = [];
  console.watch(/login: $/, ({ text }) => prompts.push(text), "prompt");
  const waiting = console.waitFor(/login: $/, { ...soon(), on: "prompt" });
  line.feed("\r\ncn7 log");
  line.feed("in: ");
  assert.is((await waiting).text, "cn7 login: ");
  line.feed("[   41.200000] usb 1-1: new device\r\nroot\r\n");
  assert.equal(prompts, ["cn7 login: "]);
});

for (const [title, torn] of [
  ["once", "trit[   12.300000] usb 1-1: new device\r\non: hostid 73cb1ae8\r\n"],
  ["with more kernel lines between", "tri[   12.300000] a\r\n[   12.400000] b\r\nton: hostid 73cb1ae8\r\n"],
  ["twice", "tri[   12.300000] a\r\nton: hos[   12.400000] b\r\ntid 73cb1ae8\r\n"],
] as const) {
  test(`waitFor() matches a line that the kernel tore ${title}`, async () => {
    const line = new FedLine();
    await using console = new Console(line);
    const found = console.waitFor(/^triton: hostid ([0-9a-f]{8})$/, soon());
    line.feed(torn);
    assert.is((await found).match[1], "73cb1ae8");
  });
}

test("waitFor() matches a kernel line that tore another line, and the torn prompt", async () => {
  const line = new FedLine();
  await using console = new Console(line);
  line.feed("cn7 log[   12.300000] Kernel panic - not syncing: x\r\nin: ");
  assert.is((await console.waitFor(/^\[ .*Kernel panic/, { ...soon(), from: 0 })).match.index, 0);
  await console.waitFor(/^cn7 login: $/, { ...soon(), on: "prompt", from: 0 });
});

test("a torn prompt that has matched does not match again together with later text", async () => {
  const line = new FedLine();
  await using console = new Console(line);
  line.feed("cn7 login: ");
  await console.waitFor(/login: /, { ...soon(), on: "prompt" });
  line.feed("[   12.300000] usb\r\nroot\r\nPassword: ");
  const next = await console.waitFor(/(login|Password): /, { ...soon(), on: "prompt" });
  assert.is(next.match[1], "Password");
});

test("a timeout names the awaited text, the nearest line and the last line", async () => {
  const line = new FedLine();
  await using console = new Console(line);
  line.feed("triton: hostid unknown, no system UUID\r\n[    2.410000] Freeing unused kernel memory\r\n");
  const error = await failureOf(
    console.waitFor(/^triton: hostid ([0-9a-f]{8})$/, { ...soon("the hostid"), timeoutMs: 20 }),
  );
  assert.is(error.code, "TIMED_OUT");
  assert.match(error.message, "the hostid: no line matched");
  assert.match(error.message, 'nearest: "triton: hostid unknown, no system UUID"');
  assert.match(error.message, 'last: "[    2.410000] Freeing unused kernel memory"');
});

test("a timeout on an empty console says that it printed nothing", async () => {
  await using console = new Console(new FedLine());
  const error = await failureOf(console.waitFor(/x/, { ...soon(), timeoutMs: 10 }));
  assert.match(error.message, "the console printed nothing");
});

test("a wait ends with the console, after its last text was matched", async () => {
  const line = new FedLine();
  await using console = new Console(line);
  const never = failureOf(console.waitFor(/never/, soon()));
  const lastWords = console.waitFor(/^Power down$/, soon());
  line.feed("reboot: \r\nPower down");
  line.hangUp();
  assert.is((await lastWords).text, "Power down");
  assert.is((await never).code, "CONSOLE_ENDED");
  assert.is((await failureOf(console.waitFor(/later/, soon()))).code, "CONSOLE_ENDED");
});

test("an aborted wait rejects with the reason of its signal", async () => {
  await using console = new Console(new FedLine());
  const stop = new AbortController();
  const waiting = console.waitFor(/never/, { ...soon(), signal: stop.signal });
  stop.abort(new Error("enough"));
  try {
    await waiting;
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, "enough");
  }
});

test("a watch set in the middle of a chunk sees the rest of it, and a stopped watch sees no more lines", async () => {
  const line = new FedLine();
  await using console = new Console(line);
  const seen: string[] = [];
  const stop = console.watch(/^begin/, () => {
    stop();
    console.watch(/./, ({ text }) => seen.push(text));
  });
  line.feed("early\r\nbegin\r\nreason\r\nbegin\r\n");
  assert.equal(seen, ["reason", "begin"]);
});

test("the console writes the raw bytes and a log with two clocks, before it wakes a waiter", async () => {
  await using temp = await TempDir.create("console");
  const [rawPath, textPath] = [join(temp.path, "console.raw"), join(temp.path, "console.log")];
  const log = ConsoleLog.create({ rawPath, textPath, onFailure: (message) => assert.unreachable(message) });
  const line = new FedLine();
  let atMs = 11_204;
  await using console = new Console(line, { log, sincePowerOnMs: () => atMs });
  const bytes = Buffer.from("[    0.000000] Linux version 6.1\r\n\x1b[32mBegin\x1b[0m: \xff\x00\r\ncn7 lo", "latin1");
  const woken = console.waitFor(/^Begin/, soon());
  line.feed(bytes);
  await woken;
  assert.match(await readFile(textPath, "utf8"), "11.204     0.000000 Linux version 6.1\n");
  atMs = 12_000;
  line.feed("gin: ");
  line.hangUp();
  await console.ended;
  assert.equal(await readFile(rawPath), Buffer.concat([bytes, Buffer.from("gin: ")]));
  assert.match(await readFile(textPath, "utf8"), "    11.204              cn7 login: \n");
});

test("the console goes on without its log if the disk is full, and reports that once", async () => {
  const line = new FedLine();
  await using temp = await TempDir.create("console");
  const troubles: string[] = [];
  const log = ConsoleLog.create({
    rawPath: "/dev/full",
    textPath: join(temp.path, "console.log"),
    onFailure: (message) => troubles.push(message),
  });
  await using console = new Console(line, { log });
  line.feed("one\r\n");
  line.feed("two\r\n");
  await console.waitFor(/two/, soon());
  assert.is(troubles.length, 1);
  assert.match(troubles[0] ?? "", /\/dev\/full: ENOSPC/);
});

test("ConsoleLog.create() names the log that cannot be written", () => {
  const create = () =>
    ConsoleLog.create({ rawPath: "/proc/none/raw", textPath: "/proc/none/text", onFailure: () => {} });
  assert.throws(
    create,
    (error: Error & { code?: string }) => error.code === "LOG_NOT_WRITABLE" && /\/proc\/none\/raw/.test(error.message),
  );
});

test("tail() returns the last lines, including the unfinished one", async () => {
  const line = new FedLine();
  await using console = new Console(line, { keptLines: 3 });
  line.feed("1\n2\n3\n4\n5\n6\n7\npart");
  assert.equal(console.tail(3), ["6", "7", "part"]);
});

test.run();
