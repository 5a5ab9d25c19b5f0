/** Chooses scenarios by name, for `livelab test`. */
import { UsageError } from "../../base/livelab-error.js";
import type { Scenario } from "./scenario.js";

/** Returns the named scenarios in the order of `all`; all of them when `names` is empty. @throws UsageError UNKNOWN_SCENARIO */
export function chooseScenarios(all: readonly Scenario[], names: readonly string[]): readonly Scenario[] {
  for (const name of names) {
    if (all.some((scenario) => scenario.name === name)) continue;
    throw new UsageError("UNKNOWN_SCENARIO", `there is no scenario "${name}"`, {
      hint: `use one of: ${all.map((scenario) => scenario.name).join(", ")}`,
    });
  }
  return all.filter(({ name }) => names.length === 0 || names.includes(name));
}

/** Lists the scenarios, one line each. */
export function describeScenarios(all: readonly Scenario[]): string {
  const width = Math.max(...all.map((scenario) => scenario.name.length));
  return all.map(({ name, summary }) => `${name.padEnd(width)}  ${summary}`).join("\n");
}
