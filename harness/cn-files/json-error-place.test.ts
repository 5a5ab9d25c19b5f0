import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { findJsonError } from "./json-error-place.js";

const test = suite("json error place");

test("findJsonError() returns undefined for JSON", () => {
  for (const text of ['{"a":[1,-2.5e3,true,null,{"b":"\\u00e4\\n"}]}', " [] ", "{}", '"x"', "0"]) {
    assert.is(findJsonError(text), undefined, text);
  }
});

test("findJsonError() returns line, column and text of the first error", () => {
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

test("findJsonError() accepts 100,000 nested brackets, and finds an error inside them", () => {
  const depth = 100_000;
  for (const [opening, closing] of [
    ["[", "]"],
    ['{"a":', "}"],
    ['[{"a":', "}]"],
  ] as const) {
    const before = opening.repeat(depth);
    assert.is(findJsonError(`${before}1${closing.repeat(depth)}`), undefined, opening);
    assert.equal(findJsonError(`${before}1 oops`), { line: 1, column: before.length + 3, found: "oops" }, opening);
    assert.equal(findJsonError(before), { line: 1, column: before.length + 1, found: "end of file" }, opening);
  }
});

test("findJsonError() accepts a string of 12 million characters or escapes", () => {
  for (const piece of ["x", "\\n"]) {
    const string = `"${piece.repeat(12_000_000)}"`;
    assert.is(findJsonError(string), undefined, piece);
    assert.equal(findJsonError(`${string}!`), { line: 1, column: string.length + 1, found: "!" }, piece);
  }
});

test("findJsonError() agrees with JSON.parse on 20,000 texts with one character changed, removed or added", () => {
  const whole = '{"a":[1,-2.5e3,true,null,{"b":"\\u00e4\\n"},[],{}],"c":{"d":false}}';
  const alphabet = '{}[],:"\\ 0-1.eutrlfasn\n';
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let run = 0; run < 20_000; run += 1) {
    const at = random(whole.length);
    const text = whole.slice(0, at) + (alphabet[random(alphabet.length + 1)] ?? "") + whole.slice(at + random(2));
    let isJson = true;
    try {
      JSON.parse(text);
    } catch {
      isJson = false;
    }
    assert.is(findJsonError(text) === undefined, isJson, text);
  }
});

test("findJsonError() finds the bare word in the fixture", async () => {
  const text = await readFile(join(findProjectRoot(), "fixtures/networking.not-json"), "utf8");
  assert.equal(findJsonError(text), { line: 10, column: 16, found: "admin," });
});

test.run();
