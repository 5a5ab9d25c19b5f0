/** Scenarios by name, for `livelab test`. */
import { UsageError } from "../../base/livelab-error.js";
import type { Scenario } from "./scenario.js";

/** Those named, in the order of `all`; none named means all. @throws UsageError UNKNOWN_SCENARIO */
export function chooseScenarios(all: readonly Scenario[], names: readonly string[]): readonly Scenario[] {
  for (const name of names) {
    if (all.some((scenario) => scenario.name === name)) continue;
    throw new UsageError("UNKNOWN_SCENARIO", `there is no scenario "${name}"`, {
      hint: `scenarios: ${all.map((scenario) => scenario.name).join(", ")}`,
    });
  }
  return all.filter(({ name }) => names.length === 0 || names.includes(name));
}

/** A line a scenario. */
export function describeScenarios(all: readonly Scenario[]): string {
  const width = Math.max(...all.map((scenario) => scenario.name.length));
  return all.map(({ name, summary }) => `${name.padEnd(width)}  ${summary}`).join("\n");
}
