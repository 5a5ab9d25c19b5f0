import { suite } from "uvu";
import * as assert from "uvu/assert";
import { circleProblems, importedBy, packageProblems, roomProblems, unusedArrows } from "./import-check.js";
import { drawingProblems, parseRooms } from "./rooms.js";

const test = suite("the check of imports");

const rooms = parseRooms(`# A document

\`\`\`rooms
base        -
vm/spec.ts  -
vm/qemu     base vm/spec.ts

vm          base vm/qemu
builder     base vm
harness     base vm
\`\`\`
`);

const sourcesOf = (sources: Record<string, string>): ReadonlyMap<string, string> => new Map(Object.entries(sources));

test("the check finds the specifier of every kind of import", () => {
  const text = `
import "./side-effect.js";
import one, { two } from "./one.js";
import type { Three } from "./three.js";
import {
  four,
  five,
} from "./four.js";
export { six } from "./six.js";
export * from "./seven.js";
const eight = await import("./eight.js");
type Nine = import("./nine.js").Nine;
export const notOne = "./ten.js";
`;
  assert.equal(
    importedBy(text).map((specifier) => specifier.slice(2, -3)),
    ["side-effect", "one", "three", "four", "six", "seven", "eight", "nine"],
  );
});

test("the check names an import that the drawing does not allow, with its room", () => {
  const wrong: [file: string, specifier: string][] = [
    ["vm/a.ts", "../builder/b.js"],
    ["vm/a.ts", "./spec.js"],
    ["vm/qemu/a.ts", "../a.js"],
    ["vm/spec.ts", "../base/a.js"],
    ["harness/a.ts", "../builder/b.js"],
    ["harness/a.ts", "../fixtures/b.js"],
    ["vm/a.test.ts", "../builder/b.js"],
  ];
  for (const [file, specifier] of wrong) {
    const problems = roomProblems(sourcesOf({ [file]: `import { b } from "${specifier}";` }), rooms);
    assert.is(problems.length, 1, `${file} → ${specifier}`);
    assert.match(problems[0] ?? "", file);
  }
});

test("imports along the arrows are allowed, and tests may import their part, the parts below and test helpers", () => {
  const right = sourcesOf({
    "vm/a.ts": 'import "../base/a.js";\nimport "./qemu/b.js";\nimport "./b.js";\nimport "node:fs";',
    "vm/qemu/a.ts": 'import "../spec.js";',
    "harness/a.ts": 'import "../vm/a.js";',
    "harness/a.test.ts": 'import "../vm/qemu/a.js";\nimport "../fixtures/a.js";\nimport "../test/runner/skip-test.js";',
    "test/machine/a.test.ts": 'import "../../builder/a.js";\nimport "../../harness/a.js";',
    "fixtures/a.ts": 'import "../builder/a.js";',
  });
  assert.equal(roomProblems(right, rooms), []);
});

test("the check names a file outside the drawing", () => {
  assert.match(roomProblems(sourcesOf({ "vm/attic/a.ts": "" }), rooms).join(), "vm/attic/a.ts is in no room");
});

test("the check names an arrow that no import needs, and a room without files", () => {
  const sources = sourcesOf({
    "base/a.ts": "",
    "vm/spec.ts": "",
    "vm/qemu/a.ts": 'import "../spec.js";',
    "vm/qemu/a.test.ts": 'import "../../base/a.js";',
    "vm/a.ts": 'import "../base/a.js";\nimport "./qemu/a.js";',
    "builder/a.ts": 'import "../base/a.js";\nimport "../vm/a.js";',
  });
  assert.equal(unusedArrows(sources, rooms), [
    "docs/architecture.md lets vm/qemu import base: no file of it does",
    "docs/architecture.md draws harness, which has no files",
  ]);
});

test("a drawing with an arrow to a room that is not above is rejected", () => {
  const circle = parseRooms("```rooms\na b\nb a\nc c\n```\n");
  assert.equal(drawingProblems(circle), [
    "the drawing lets a import b, which is not above it",
    "the drawing lets c import c, which is not above it",
  ]);
  assert.throws(() => parseRooms("```text\na -\n```\n"), "no block");
});

test("the check names each circle of imports once", () => {
  const problems = circleProblems(
    sourcesOf({
      "vm/a.ts": 'import "./b.js";',
      "vm/b.ts": 'import type { C } from "./c.js";\nimport "./d.js";',
      "vm/c.ts": 'import "./a.js";',
      "vm/d.ts": "",
    }),
  );
  assert.equal(problems, ["files import each other in a circle: vm/a.ts → vm/b.ts → vm/c.ts → vm/a.ts"]);
});

test("the check names files that share a foreign package, and a part of a package counts as the package", () => {
  const problems = packageProblems(
    sourcesOf({
      "vm/a.ts": 'import { z } from "tar";\nimport "node:fs";\nimport { x } from "@scope/one";',
      "builder/b.ts": 'import type { z } from "tar/v4";\nimport { x } from "@scope/two";',
      "vm/a.test.ts": 'import { z } from "tar";',
    }),
  );
  assert.equal(problems, ["package tar is imported in builder/b.ts, vm/a.ts: keep one"]);
});

test.run();
