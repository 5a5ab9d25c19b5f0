/** Checks that dist/ was compiled from the current sources. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Check } from "./check.js";

export const distCheck: Check = {
  name: "dist/ was compiled from these sources",
  async problems(root) {
    // Set-up is plain JavaScript outside dist/, because it runs before anything is compiled.
    const { isCompiled } = (await import(pathToFileURL(join(root, "setup/compile.mjs")).href)) as {
      isCompiled(root: string): boolean;
    };
    return isCompiled(root) ? [] : ["a source is newer than dist/: npm run setup"];
  },
};
