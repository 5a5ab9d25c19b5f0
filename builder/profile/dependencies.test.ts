import { suite } from "uvu";
import * as assert from "uvu/assert";
import { packagesText, smallPackages } from "../../fixtures/small-lock.js";
import { withDependencies } from "./dependencies.js";
import { parseLockSet } from "./lock-set.js";

const test = suite("dependencies");

/** @param packages fields by package */
function namesOf(packages: Readonly<Record<string, Readonly<Record<string, string>>>>, wanted: string[]): string[] {
  const text = packagesText(
    Object.entries(packages).flatMap(([name, fields]) => smallPackages([name]).map((each) => ({ ...each, fields }))),
  );
  return withDependencies(parseLockSet("s", text, "s.Packages"), wanted).map(({ name }) => name);
}

test("a package comes with what it needs, directly or not, and with nothing else", () => {
  const packages = {
    app: { Depends: "lib1 (>= 2.0), helper:any", Suggests: "odd" },
    helper: { "Pre-Depends": "lib2" },
    lib1: { Depends: "app" },
    lib2: {},
    odd: {},
  };
  assert.equal(namesOf(packages, ["app"]), ["app", "helper", "lib1", "lib2"]);
  assert.equal(namesOf(packages, ["lib2"]), ["lib2"]);
});

test("alternatives and virtual packages lead to every package of the set that satisfies them", () => {
  const packages = {
    app: { Depends: "absent | mail-agent, tool [amd64] | other" },
    exim: { Provides: "smtp, mail-agent (= 4)" },
    other: {},
    tool: {},
  };
  assert.equal(namesOf(packages, ["app"]), ["app", "exim", "other", "tool"]);
});

test.run();
