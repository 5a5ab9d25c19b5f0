import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thrownBy } from "../fixtures/vm-deadline.js";
import { limitSignal, waitAtMost } from "./wait-at-most.js";

const test = suite("wait-at-most");

const overdue = new Error("overdue");
const onLimit = () => overdue;

test("hands on what the work gives or throws", async () => {
  assert.is(await waitAtMost(Promise.resolve(7), { limitMs: 1_000, onLimit }), 7);
  const failure = new Error("failed");
  assert.is(await thrownBy(waitAtMost(Promise.reject(failure), { limitMs: 1_000, onLimit })), failure);
});

test("throws the caller's error at the limit", async () => {
  assert.is(await thrownBy(waitAtMost(new Promise(() => {}), { limitMs: 10, onLimit })), overdue);
});

test("returns undefined at a limit that is no error", async () => {
  assert.is(await waitAtMost(new Promise(() => {}), { limitMs: 10 }), undefined);
  assert.is(await waitAtMost(Promise.resolve(7), { limitMs: 1_000 }), 7);
});

test("a limit's signal aborts at the limit with its error, and before it with the signal's reason", async () => {
  const atLimit = limitSignal({ limitMs: 10, signal: new AbortController().signal, onLimit });
  while (!atLimit.aborted) await sleep(5);
  assert.is(atLimit.reason, overdue);
  const controller = new AbortController();
  const before = limitSignal({ limitMs: 60_000, signal: controller.signal, onLimit });
  assert.not(before.aborted);
  const reason = new Error("interrupted");
  controller.abort(reason);
  assert.is(before.reason, reason);
});

test("throws the signal's reason, given before or meanwhile", async () => {
  const reason = new Error("interrupted");
  const before = AbortSignal.abort(reason);
  assert.is(await thrownBy(waitAtMost(Promise.resolve(7), { limitMs: 1_000, signal: before, onLimit })), reason);
  const controller = new AbortController();
  const wait = waitAtMost(sleep(20), { limitMs: 1_000, signal: controller.signal, onLimit });
  controller.abort(reason);
  assert.is(await thrownBy(wait), reason);
});

test("a failure of the work that comes after its signal was raised is nobody's unhandled rejection", async () => {
  const unhandled: unknown[] = [];
  const listen = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", listen);
  const reason = new Error("interrupted");
  const controller = new AbortController();
  const work = sleep(5).then(() => Promise.reject(new Error("failed later")));
  const late = sleep(10).then(() => Promise.reject(new Error("failed later still")));
  const meanwhile = waitAtMost(work, { limitMs: 1_000, signal: controller.signal, onLimit });
  controller.abort(reason);
  assert.is(await thrownBy(meanwhile), reason);
  assert.is(await thrownBy(waitAtMost(late, { limitMs: 1_000, signal: controller.signal, onLimit })), reason);
  await sleep(30);
  process.off("unhandledRejection", listen);
  assert.equal(unhandled, []);
});

test.run();
