import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createProgressLines } from "./progress-lines.js";

const test = suite("progress as lines");

/** Progress on a clock that only the test advances. */
function recorded(options: { statusIntervalMs?: number } = {}) {
  const lines: string[] = [];
  const clock = { ms: Date.UTC(2026, 10, 23) };
  const progress = createProgressLines({ writeLine: (line) => lines.push(line), now: () => clock.ms, ...options });
  return { lines, clock, progress };
}

test("progress lines show a step's start, end, duration and result", async () => {
  const { lines, clock, progress } = recorded();
  const value = await progress.step("create_bootstrap", async (step) => {
    clock.ms += 12_300;
    step.result("reused");
    return 42;
  });
  assert.is(value, 42);
  assert.equal(lines, [
    "2026-11-23T00:00:00Z  +0.0 s  create_bootstrap …",
    "2026-11-23T00:00:12Z  +12.3 s  create_bootstrap done, 12.3 s (reused)",
  ]);
});

test("progress lines show that a step failed, and step() throws what the step threw", async () => {
  const { lines, progress } = recorded();
  const error = new Error("no space left");
  const thrown = await progress.step("create_tgz", () => Promise.reject(error)).catch((reason) => reason);
  assert.is(thrown, error);
  assert.match(lines.at(-1) ?? "", "create_tgz failed, 0.0 s");
});

test("progress lines limit ten thousand statuses a second to one line per interval", async () => {
  const { lines, clock, progress } = recorded();
  await progress.step("fetch", async (step) => {
    for (let i = 1; i <= 20_000; i += 1) {
      clock.ms += 0.6;
      step.status(`${i} files`);
    }
  });
  const statuses = lines.filter((line) => line.includes("fetch: "));
  assert.is(statuses.length, 2, statuses.join("\n")); // 12 s of work, one line per 5 s
});

test("progress lines show the last status of a burst when the step then falls silent", async () => {
  const { lines, progress } = recorded({ statusIntervalMs: 20 });
  await progress.step("fetch", async (step) => {
    step.status("1 file");
    step.status("2 files");
    const deadline = performance.now() + 2_000;
    while (lines.length < 2 && performance.now() < deadline) await sleep(5);
  });
  assert.equal(
    lines.slice(1, -1).map((line) => line.split("  ")[2]),
    ["fetch: 2 files"],
  );
});

test("progress lines date each line of a note", () => {
  const { lines, progress } = recorded();
  progress.note("first\nsecond");
  assert.equal(lines, ["2026-11-23T00:00:00Z  +0.0 s  first", "2026-11-23T00:00:00Z  +0.0 s  second"]);
});

test.run();
