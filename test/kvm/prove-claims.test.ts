import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { NestedHost } from "../../fixtures/nested-host/nested-host.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import type { KvmClaim } from "./kvm-claim.js";
import { type ProofOptions, proveClaims } from "./prove-claims.js";

const test = suite("prove-claims");

const holds: KvmClaim = { title: "it holds", verify: async () => "seen" };
const fails: KvmClaim = {
  title: "it does not hold",
  verify: async () => {
    throw new Error("one\ntwo");
  },
};

/** Options with a host that does nothing; `problems` are the errors that its methods throw. */
function fakeProof(problems: { start?: string; keep?: string; end?: string } = {}, signal?: AbortSignal) {
  const printed: string[] = [];
  const fail = async (message: string | undefined): Promise<void> => {
    if (message !== undefined) throw new Error(message);
  };
  const options: ProofOptions = {
    workDir: "/nowhere",
    startHost: async () => {
      await fail(problems.start);
      const host = {
        description: "fake",
        keepReports: () => fail(problems.keep),
        [Symbol.asyncDispose]: () => fail(problems.end),
      };
      return host as unknown as NestedHost;
    },
    print: (line) => printed.push(line),
    signal: signal ?? new AbortController().signal,
  };
  return { options, printed };
}

test("proveClaims counts each claim, and continues after a failed claim", async () => {
  const { options, printed } = fakeProof();
  assert.equal(await proveClaims([holds, fails, holds], options), { passed: 2, failed: 1 });
  assert.match(printed[1] ?? "", /^ok {5}it holds \(.*\)\n +seen$/);
  assert.match(printed[2] ?? "", /^FAILED it does not hold \(.*\)\n +one\n +two$/);
});

test("all claims count as failed if the host does not start", async () => {
  const { options, printed } = fakeProof({ start: "no memory" });
  assert.equal(await proveClaims([holds, holds], options), { passed: 0, failed: 2 });
  assert.equal(printed, ["FAILED nested host: no memory"]);
});

test("the loss of the host after the last claim counts as a failure", async () => {
  for (const problems of [{ keep: "gone" }, { end: "gone" }]) {
    const { options } = fakeProof(problems);
    assert.equal(await proveClaims([holds], options), { passed: 1, failed: 1 });
  }
});

test("an interruption throws its reason, and does not count as a failed claim", async () => {
  const interruption = new AbortController();
  const { options } = fakeProof({}, interruption.signal);
  const interrupted: KvmClaim = {
    title: "it is interrupted",
    verify: async () => {
      interruption.abort(new Error("interrupted"));
      throw new Error("the machine is gone");
    },
  };
  const error = (await thrownBy(proveClaims([interrupted, holds], options))) as Error;
  assert.is(error.message, "interrupted");
});

test.run();
