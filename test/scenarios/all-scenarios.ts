/** All scenarios, in the order in which `livelab test` runs them. */
import type { Scenario } from "../../harness/scenarios/scenario.js";
import { bondedNics } from "./bonded-nics.js";
import { mediaWays, networkWays } from "./boot-ways.js";
import { freshCn } from "./fresh-cn.js";
import { hostileNetworking } from "./hostile-networking.js";
import { noNetworkingJson } from "./no-networking-json.js";
import { poolTrouble } from "./pool-trouble.js";
import { setUpNode } from "./set-up-node.js";
import { twoNics } from "./two-nics.js";
import { wrongSquashfsHash } from "./wrong-squashfs-hash.js";

export const allScenarios: readonly Scenario[] = [
  freshCn,
  noNetworkingJson,
  bondedNics,
  twoNics,
  hostileNetworking,
  wrongSquashfsHash,
  setUpNode,
  poolTrouble,
  ...networkWays,
  ...mediaWays,
];
