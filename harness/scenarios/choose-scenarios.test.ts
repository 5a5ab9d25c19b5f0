import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chooseScenarios, describeScenarios } from "./choose-scenarios.js";
import type { Scenario } from "./scenario.js";

const test = suite("choose scenarios");

const all: readonly Scenario[] = [
  { name: "one", summary: "First.", boots: [] },
  { name: "two", summary: "Second.", boots: [] },
  { name: "three", summary: "Third.", boots: [] },
];
const namesOf = (scenarios: readonly Scenario[]): string[] => scenarios.map(({ name }) => name);

test("without names all scenarios run, and named scenarios run in the order of the list", () => {
  assert.equal(namesOf(chooseScenarios(all, [])), ["one", "two", "three"]);
  assert.equal(namesOf(chooseScenarios(all, ["three", "two"])), ["two", "three"]);
});

test("an unknown scenario name is rejected", () => {
  assert.throws(() => chooseScenarios(all, ["four"]), /there is no scenario "four"/);
});

test("the list has one line per scenario", () => {
  assert.is(describeScenarios(all), "one    First.\ntwo    Second.\nthree  Third.");
});

test.run();
