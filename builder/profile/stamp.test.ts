import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseStamp, stampOf } from "./stamp.js";

const test = suite("stamp");

test("stampOf formats the UTC time to the second", () => {
  assert.is(stampOf(new Date("2026-11-23T01:02:03.999Z")), "20261123T010203Z");
});

test("parseStamp accepts a stamp with a valid time", () => {
  assert.is(parseStamp("20240229T235959Z"), "20240229T235959Z");
});

for (const text of [
  "20261123T010203",
  "20261123t010203z",
  "20230229T000000Z",
  "20261123T250000Z",
  "latest",
  "",
  "../20261123T010203Z",
]) {
  test(`parseStamp rejects "${text}", and the hint describes a stamp`, () => {
    assert.throws(
      () => parseStamp(text),
      (error: { code?: string; hint?: string }) =>
        error.code === "BAD_STAMP" && /YYYYMMDDTHHMMSSZ/.test(error.hint ?? ""),
    );
  });
}

test.run();
