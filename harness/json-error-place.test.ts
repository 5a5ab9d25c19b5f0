import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../vm/project-root.js";
import { findJsonError } from "./json-error-place.js";

const test = suite("json error place");

test("finds nothing in JSON", () => {
  for (const text of ['{"a":[1,-2.5e3,true,null,{"b":"\\u00e4\\n"}]}', " [] ", "{}", '"x"', "0"]) {
    assert.is(findJsonError(text), undefined, text);
  }
});

test("names line, column and word of the first mistake", () => {
  const cases: [string, number, number, string][] = [
    ["", 1, 1, "end of file"],
    ["{\n  'a': 1}", 2, 3, "'a':"],
    ['{"a": 1,\n}', 2, 1, "}"],
    ['{"a": 1', 1, 8, "end of file"],
    ["[1 2]", 1, 4, "2]"],
    ["[01]", 1, 3, "1]"],
    ["{} x", 1, 4, "x"],
    ["<html>", 1, 1, "<html>"],
  ];
  for (const [text, line, column, found] of cases) {
    assert.equal(findJsonError(text), { line, column, found }, JSON.stringify(text));
    assert.throws(() => JSON.parse(text), undefined, text);
  }
});

test("finds the bare word in the fixture", async () => {
  const text = await readFile(join(findProjectRoot(), "fixtures/networking.not-json"), "utf8");
  assert.equal(findJsonError(text), { line: 10, column: 16, found: "admin," });
});

test.run();
