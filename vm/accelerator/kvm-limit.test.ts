import { suite } from "uvu";
import * as assert from "uvu/assert";
import { kvmLimitMs } from "./kvm-limit.js";

const test = suite("kvm-limit");

test("the limit is 6 s unless LIVELAB_KVM_LIMIT_S sets another", () => {
  assert.is(kvmLimitMs({}), 6_000);
  assert.is(kvmLimitMs({ LIVELAB_KVM_LIMIT_S: "" }), 6_000);
  assert.is(kvmLimitMs({ LIVELAB_KVM_LIMIT_S: "45" }), 45_000);
});

test("a value that is not a number of seconds is refused with the name of the variable", () => {
  for (const text of ["0", "-1", "6s", "1e3", "1.5", "99999", " "]) {
    assert.throws(() => kvmLimitMs({ LIVELAB_KVM_LIMIT_S: text }), /LIVELAB_KVM_LIMIT_S=.* is not a number of seconds/);
  }
});

test.run();
