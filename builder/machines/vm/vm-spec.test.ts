import { suite } from "uvu";
import * as assert from "uvu/assert";
import { builderMemoryMib } from "./vm-spec.js";

const test = suite("builder VM's spec");
const GIB = 2 ** 30;

test("the builder VM gets half of the memory that livelab may use, at least 1.5 GiB and at most 4 GiB", () => {
  assert.is(builderMemoryMib(64 * GIB), 4096);
  assert.is(builderMemoryMib(4 * GIB), 2048);
  assert.is(builderMemoryMib(2 * GIB), 1536);
});

test.run();
