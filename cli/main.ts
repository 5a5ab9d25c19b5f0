#!/usr/bin/env node
/**
 * The `livelab` command's start: loads the commands, and words what keeps them from being loaded.
 * Node opens all modules of a program at once, a hundred files and more; a process that may not open so many ends here.
 */
import { explainSystemError } from "../base/system-error.js";

/** As cli/program.ts exits for what the host lacks. */
const HOST_STATUS = 3;

try {
  await import("./program.js");
} catch (error) {
  const trouble = explainSystemError(error);
  if (trouble === undefined) throw error;
  process.stderr.write(`livelab: ${trouble.message}\nlivelab: try: ${trouble.hint}\n`);
  process.exitCode = HOST_STATUS;
}
