import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createProgress } from "./create-progress.js";

const test = suite("progress on a terminal");

const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";
const ERASE_LINE = "\u001b[2K";

/** A stream that claims to be a terminal and keeps its output. */
function fakeTerminal() {
  const written: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  Object.assign(stream, { isTTY: true, columns: 80, rows: 24 });
  return {
    stream: stream as unknown as NodeJS.WriteStream,
    raw: () => written.join(""),
    /** The text that stays on the screen: the output after the last erased frame. */
    kept: () =>
      stripVTControlCharacters(written.join("").split(ERASE_LINE).at(-1) ?? "")
        .split("\n")
        .map((line) => line.trimEnd())
        .filter((line) => line !== ""),
  };
}

test("the terminal keeps a line for each step with its duration and result, and notes under their step", async () => {
  const terminal = fakeTerminal();
  const clock = { ms: 0 };
  const progress = createProgress(terminal.stream, { now: () => clock.ms });
  const value = await progress.step("create_bootstrap", async (step) => {
    progress.note("412 packages");
    await progress.step("unpack", async () => {
      clock.ms += 14_200;
    });
    step.result("2 layers");
    return "chroot";
  });
  assert.is(value, "chroot");
  assert.equal(
    terminal.kept().map((line) => line.replace(/[✔√›]/g, "*")),
    ["* create_bootstrap, 14.2 s (2 layers)", "  * 412 packages", "  * unpack, 14.2 s"],
  );
});

test("the terminal shows the latest status while a step runs, and removes it at the end", async () => {
  const terminal = fakeTerminal();
  await createProgress(terminal.stream).step("fetch", async (step) => {
    for (let i = 0; i <= 10_000; i += 1) step.status(`${i} files`);
    const deadline = performance.now() + 2_000;
    while (!terminal.raw().includes("fetch: 10000 files") && performance.now() < deadline) await sleep(10);
  });
  assert.match(terminal.raw(), "fetch: 10000 files");
  assert.not.match(terminal.raw(), "fetch: 5000 files");
  assert.not.match(terminal.kept().join("\n"), "10000 files");
});

test("a failed step keeps its title, step() throws its error, and the terminal is restored", async () => {
  const terminal = fakeTerminal();
  const progress = createProgress(terminal.stream, { now: () => 0 });
  const error = new Error("configure failed");
  const thrown = await progress.step("build_zfs", () => Promise.reject(error)).catch((reason) => reason);
  assert.is(thrown, error);
  assert.match(terminal.kept().join("\n"), /[✖×] build_zfs, 0\.0 s$/);
  assert.ok(terminal.raw().lastIndexOf(SHOW_CURSOR) > terminal.raw().lastIndexOf(HIDE_CURSOR));
  terminal.stream.write("after\n");
  assert.is(terminal.kept().at(-1), "after");
});

test("the terminal draws concurrent steps in one list", async () => {
  const terminal = fakeTerminal();
  const progress = createProgress(terminal.stream, { now: () => 0 });
  await Promise.all([
    progress.step("one", () => sleep(30)),
    progress.step("two", () => sleep(60)),
    sleep(15).then(() => progress.note("from outside")),
  ]);
  await progress.step("three", async () => {});
  const screen = stripVTControlCharacters(terminal.raw());
  for (const expected of ["one, 0.0 s", "two, 0.0 s", "from outside", "three, 0.0 s"]) assert.match(screen, expected);
});

test("progress is plain dated lines if stderr is not a terminal", async () => {
  const terminal = fakeTerminal();
  Object.assign(terminal.stream, { isTTY: false });
  await createProgress(terminal.stream, { now: () => 0 }).step("fetch", async () => {});
  assert.is(terminal.raw(), "1970-01-01T00:00:00Z  +0.0 s  fetch …\n1970-01-01T00:00:00Z  +0.0 s  fetch done, 0.0 s\n");
});

/** The output of a step on a terminal of this size and environment. */
async function drawnOn(size: { columns: number; rows: number }, env?: NodeJS.ProcessEnv): Promise<string> {
  const terminal = fakeTerminal();
  Object.assign(terminal.stream, size);
  await createProgress(terminal.stream, { now: () => 0, ...(env && { env }) }).step("fetch", async () => {});
  return terminal.raw();
}
const PLAIN = "1970-01-01T00:00:00Z  +0.0 s  fetch …\n1970-01-01T00:00:00Z  +0.0 s  fetch done, 0.0 s\n";

test("progress is plain dated lines on a terminal without a size, or too small", async () => {
  for (const columns of [0, 1, 2, 10, 20, 39]) assert.is(await drawnOn({ columns, rows: 24 }), PLAIN, `${columns}`);
  for (const rows of [0, 1, 3]) assert.is(await drawnOn({ columns: 80, rows }), PLAIN, `${rows}`);
  assert.match(await drawnOn({ columns: 40, rows: 4 }), HIDE_CURSOR);
});

test("progress is plain dated lines if TERM, NO_COLOR or CI ask for them", async () => {
  const size = { columns: 80, rows: 24 };
  const good = { TERM: "xterm-256color" };
  const plain = [
    {},
    { TERM: "" },
    { TERM: "dumb" },
    { TERM: "unknown" },
    { ...good, NO_COLOR: "1" },
    { ...good, CI: "true" },
  ];
  for (const env of plain) assert.is(await drawnOn(size, env), PLAIN, JSON.stringify(env));
  for (const env of [good, { ...good, NO_COLOR: "", CI: "" }, { ...good, CI: "false" }]) {
    assert.match(await drawnOn(size, env), HIDE_CURSOR, JSON.stringify(env));
  }
});

test.run();
