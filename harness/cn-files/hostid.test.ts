import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostidOf } from "./hostid.js";

const test = suite("hostid");

test("hostidOf() matches the test vector in Triton's sources, in either case", () => {
  assert.is(hostidOf("12345678-9abc-4def-8123-456789abcdef"), "73cb1ae8");
  assert.is(hostidOf("12345678-9ABC-4DEF-8123-456789ABCDEF"), "73cb1ae8");
});

test("hostidOf() keeps leading zeros", () => {
  // printf 00000000-0000-4000-8000-00000000016d | gzip -c | tail -c8 | head -c4 | od -An -tx4
  assert.is(hostidOf("00000000-0000-4000-8000-00000000016d"), "007e5e4b");
});

test.run();
