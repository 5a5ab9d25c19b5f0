/** Formatting and lint of all that biome reads, with biome.json's rules. */
import type { Check } from "./check.js";
import { repositoryFiles } from "./repository-files.js";
import { runProgram } from "./run-program.js";

export const formatCheck: Check = {
  name: "the tree is formatted and free of lint",
  async problems(root) {
    // Named one by one: left to walk the tree, biome stumbles over links in proto/ that are whole in the image only.
    const files = (await repositoryFiles(root)).filter((file) => /\.(ts|mjs|json)$/.test(file));
    const options = ["--error-on-warnings", "--colors=off"];
    const { code, output } = await runProgram(["node_modules/.bin/biome", "check", ...options, ...files], root);
    return code === 0 ? [] : [`${output}\nMost of it is mended by: npm run format`];
  },
};
