/** Checks that the files, tests and scenarios that docs/platform-image.md names exist. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { listTree } from "../../builder/stages/proto-tree.js";
import { allScenarios } from "../scenarios/all-scenarios.js";

const test = suite("the table of promises");

const root = findProjectRoot();
const text = await readFile(join(root, "docs/platform-image.md"), "utf8");
const rows = [...text.matchAll(/^\| (.*) \| (.*) \| (.*) \|$/gm)]
  .map(([, promise = "", keeper = "", proof = ""]) => ({ promise, keeper, proof }))
  .filter(({ promise }) => promise !== "promise");
const named = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);

/** The document may name files of the image by the end of their path, also after an ellipsis. */
const protoPaths = (await listTree(join(root, "proto"))).map(({ path }) => `/${path}`);
const projectPaths = new Set(
  (
    await Promise.all(["builder", "test"].map(async (dir) => await readdir(join(root, dir), { recursive: true })))
  ).flatMap((entries, index) => entries.map((entry) => `${["builder", "test"][index]}/${entry}`)),
);
const isFile = (name: string): boolean =>
  projectPaths.has(name) ||
  protoPaths.some((path) => path.endsWith(`/${name}`) || path.includes(`/${name.replace(/\/$/, "")}/`));
const isProof = (name: string): boolean =>
  projectPaths.has(name) || allScenarios.some((scenario) => scenario.name === name);

test("the table has a row for each promise, with what keeps it and what proves it", () => {
  assert.ok(rows.length >= 12, `${rows.length} rows`);
  for (const { promise, keeper, proof } of rows) {
    assert.ok(named(keeper).length > 0, `nothing keeps: ${promise}`);
    assert.ok(named(proof).length > 0, `nothing proves: ${promise}`);
  }
});

test("the table names existing files, tests and scenarios", () => {
  const words = ["verified", "proto/", "test/proto"]; // a milestone, and folders
  const unknown = rows.flatMap(({ keeper, proof }) => [
    ...named(keeper).filter((name) => !words.includes(name) && !isFile(name)),
    ...named(proof).filter((name) => !words.includes(name) && !isProof(name)),
  ]);
  assert.equal(unknown, []);
});

test.run();
