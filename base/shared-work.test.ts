import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thrownBy, within } from "../fixtures/vm-deadline.js";
import { SharedWork } from "./shared-work.js";

const test = suite("shared-work");
const never = (): AbortSignal => new AbortController().signal;

test(
  "shared work runs once for all waiting callers, and again for a later caller",
  within(2_000, async () => {
    const work = new SharedWork<number>();
    let runs = 0;
    const start = async (): Promise<number> => {
      runs += 1;
      await sleep(10);
      return runs;
    };
    assert.equal(await Promise.all([1, 2, 3].map(() => work.do("a", never(), start))), [1, 1, 1]);
    assert.is(await work.do("a", never(), start), 2);
    assert.equal(await Promise.all(["b", "c"].map((key) => work.do(key, never(), start))), [4, 4]);
  }),
);

test(
  "shared work that fails fails for all waiting callers, and not for a later caller",
  within(2_000, async () => {
    const work = new SharedWork<string>();
    const failure = new Error("broken");
    const failing = (): Promise<string> => Promise.reject(failure);
    const errors = await Promise.all([1, 2].map(() => thrownBy(work.do("a", never(), failing))));
    assert.equal(errors, [failure, failure]);
    assert.is(await work.do("a", never(), async () => "well"), "well");
  }),
);

test(
  "shared work continues while one caller waits; when the last gives up, it is aborted and awaited",
  within(2_000, async () => {
    const work = new SharedWork<void>();
    const [first, second] = [new AbortController(), new AbortController()];
    const reasons = [new Error("one"), new Error("two")];
    let ended = false;
    const start = async (signal: AbortSignal): Promise<void> => {
      await sleep(60_000, undefined, { signal }).catch(() => undefined);
      await sleep(20);
      ended = true;
      signal.throwIfAborted();
    };
    const one = thrownBy(work.do("a", first.signal, start));
    const two = thrownBy(work.do("a", second.signal, start));
    first.abort(reasons[0]);
    assert.is(await one, reasons[0]);
    assert.is(ended, false);
    second.abort(reasons[1]);
    assert.is(await two, reasons[1]);
    assert.is(ended, true);
    assert.is(await thrownBy(work.do("a", first.signal, start)), reasons[0]);
  }),
);

test.run();
