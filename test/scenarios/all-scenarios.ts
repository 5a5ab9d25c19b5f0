/** Every scenario, in the order in which `livelab test` runs them. */
import type { Scenario } from "../../harness/scenario.js";
import { freshCn } from "./fresh-cn.js";
import { noNetworkingJson } from "./no-networking-json.js";

export const allScenarios: readonly Scenario[] = [freshCn, noNetworkingJson];
