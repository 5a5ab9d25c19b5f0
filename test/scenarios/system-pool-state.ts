/** The state file of the system pool, which early boot writes for sysinfo and setup. */

import { expectEqual } from "../../harness/boot/expect.js";
import type { Claim } from "../../harness/scenarios/scenario.js";

/** A claim that the first line of the state file is `expected`. */
export const systemPoolState = (expected: string): Claim => ({
  title: `early boot's state of the system pool is: ${expected}`,
  verify: async ({ run }) => expectEqual("the state", await run("head -n 1 /run/triton/system-pool.state"), expected),
});
