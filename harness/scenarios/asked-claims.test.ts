import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Progress } from "../../base/progress/progress.js";
import { createProgressLines } from "../../base/progress/progress-lines.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { ExpectationFailed } from "../harness-error.js";
import { AskedClaims } from "./asked-claims.js";
import type { Claim } from "./scenario.js";

const test = suite("asked claims");

/** Progress lines, on a clock that only claims move. */
function recordedProgress() {
  const lines: string[] = [];
  const clock = { ms: 0 };
  const progress: Progress = createProgressLines({ writeLine: (line) => lines.push(line), now: () => clock.ms });
  return { progress, clock, texts: () => lines.map((line) => line.split("  ").slice(2).join("  ")) };
}

const never = new AbortController().signal;

test("progress shows that claims begin, then how many are done and which one runs, then the counts", async () => {
  const { progress, clock, texts } = recordedProgress();
  const claim = (title: string, seconds: number, error?: Error): Claim<undefined> => ({
    title,
    verify: async () => {
      clock.ms += seconds * 1_000;
      if (error !== undefined) throw error;
    },
  });
  const claims = [
    claim("the hostid is set", 6),
    claim("the pool is there", 1, new ExpectationFailed("WRONG_VALUE", "no pool")),
    claim("the clock is right", 7),
    claim("no unit has failed", 1),
  ];
  await new AskedClaims(never).askAll(claims, undefined, progress);
  assert.equal(texts(), [
    "asking 4 claims …",
    "asking 4 claims: 1 done, now: the pool is there",
    "asking 4 claims: 3 done, now: no unit has failed",
    "asking 4 claims done, 15.0 s (3 passed, 1 failed)",
  ]);
});

test("a boot without claims adds nothing to progress, and one claim is a claim", async () => {
  const { progress, texts } = recordedProgress();
  await new AskedClaims(never).askAll([], undefined, progress);
  assert.equal(texts(), []);
  await new AskedClaims(never).askAll([{ title: "it is up", verify: async () => undefined }], undefined, progress);
  assert.equal(texts(), ["asking 1 claim …", "asking 1 claim done, 0.0 s (1 passed, 0 failed)"]);
});

test("an interrupt ends the claims with its reason, and what was not asked is not run", async () => {
  const { progress, texts } = recordedProgress();
  const interruption = new AbortController();
  const reason = new Error("livelab got SIGINT");
  const asked = new AskedClaims(interruption.signal);
  const claims: Claim<undefined>[] = [
    { title: "first", verify: async () => interruption.abort(reason) },
    { title: "second", verify: async () => assert.unreachable() },
  ];
  assert.is(await thrownBy(asked.askAll(claims, undefined, progress)), reason);
  assert.equal(
    asked.results(["first", "second"]).map(({ outcome }) => outcome),
    ["passed", "not run"],
  );
  assert.is(texts().at(-1), "asking 2 claims failed, 0.0 s");
});

test("a failed claim says that the guest is at fault, a broken one that livelab or the host is", async () => {
  const asked = new AskedClaims(never);
  await asked.ask("failed", () => Promise.reject(new ExpectationFailed("WRONG_VALUE", "1 is not 2")));
  await asked.ask("broken", () => Promise.reject(new TypeError("a defect")));
  assert.is(await asked.ask("passed", async () => 42), 42);
  assert.equal(
    asked.results(["failed", "broken", "passed", "later"]).map(({ outcome, message }) => [outcome, message]),
    [
      ["failed", "1 is not 2"],
      ["broken", "a defect"],
      ["passed", undefined],
      ["not run", "1 is not 2"],
    ],
  );
});

test.run();
