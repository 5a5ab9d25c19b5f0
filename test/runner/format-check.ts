/** Checks formatting and lint of all files that biome reads, with biome.json's rules. */
import type { Check } from "./check.js";
import { repositoryFiles } from "./repository-files.js";
import { runProgram } from "./run-program.js";

export const formatCheck: Check = {
  name: "the tree is formatted and free of lint",
  async problems(root) {
    // The files are named, because biome fails on links in proto/ when it walks the tree: they are only valid in the image.
    const files = (await repositoryFiles(root)).filter((file) => /\.(ts|mjs|json)$/.test(file));
    const options = ["--error-on-warnings", "--colors=off"];
    const { code, output } = await runProgram(["node_modules/.bin/biome", "check", ...options, ...files], root);
    return code === 0 ? [] : [`${output}\nTo fix most of it: npm run format`];
  },
};
