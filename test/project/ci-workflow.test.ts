import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";

const test = suite("CI workflow");
const root = findProjectRoot();
const workflow = await readFile(join(root, ".github/workflows/livelab.yml"), "utf8");

/** The words of the one line that begins so, behind that beginning. */
function wordsAfter(beginning: string): string[] {
  const lines = workflow.split("\n").filter((line) => line.trim().startsWith(beginning));
  assert.is(lines.length, 1, `one line ${beginning}`);
  return lines[0]?.trim().slice(beginning.length).trim().split(/\s+/) ?? [];
}

test("installs what set-up would ask an ordinary user for, before set-up runs", async () => {
  const { NEEDS, packagesFor } = await import(join(root, "setup/system-packages.mjs"));
  const installed = wordsAfter("sudo apt-get install -y --no-install-recommends");
  assert.equal(installed.sort(), packagesFor(NEEDS, "debian").sort());
  assert.ok(workflow.indexOf("apt-get install") < workflow.indexOf("npm run build:hermetic"));
});

test("runs the two commands of the README, and may do no more than read the repository", () => {
  assert.equal(
    [...workflow.matchAll(/run: (npm .*)/g)].map(([, command]) => command),
    ["npm run build:hermetic", "npm test"],
  );
  assert.match(workflow, /^permissions:\n {2}contents: read\n\n/m);
  assert.not.match(workflow, /: write\b|secrets\./);
});

test("takes actions by their major version", () => {
  const actions = [...workflow.matchAll(/uses: (\S+)/g)].map(([, action]) => action ?? "");
  assert.ok(actions.length > 0);
  for (const action of actions) assert.match(action, /^actions\/[a-z/-]+@(v\d+|[0-9a-f]{40})$/);
});

test.run();
