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

test("none named means all, and those that are named come in the order of all", () => {
  assert.equal(namesOf(chooseScenarios(all, [])), ["one", "two", "three"]);
  assert.equal(namesOf(chooseScenarios(all, ["three", "two"])), ["two", "three"]);
});

test("a name that is none is told, with those that there are", () => {
  assert.throws(() => chooseScenarios(all, ["four"]), /there is no scenario "four"/);
});

test("the list has a line for each", () => {
  assert.is(describeScenarios(all), "one    First.\ntwo    Second.\nthree  Third.");
});

test.run();
