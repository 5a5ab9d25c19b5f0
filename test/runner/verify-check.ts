/** The outputs that the scenarios have booted are what an installer takes. */
import { join } from "node:path";
import { silentProgress } from "../../base/progress/progress.js";
import { verify } from "../../builder/verify/verify.js";
import type { Check } from "./check.js";

export const verifyCheck: Check = {
  name: "livelab verify: the outputs of the image that booted keep all rules",
  rerun: { command: "npx livelab verify", args: ["out/latest"] },
  async problems(root) {
    const { violations } = await silentProgress.step("verify", (step) => verify(join(root, "out/latest"), { step }));
    return violations.map(({ file, rule, found }) => `${file}: ${rule}: ${found}`);
  },
};
