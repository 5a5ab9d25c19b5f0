#!/usr/bin/env node
/**
 * The `livelab` command's start: loads the program, and words what keeps it from being loaded.
 * Node opens all modules of a program at once, a hundred files and more; a process that may not open so many ends here.
 */
import { explainSystemError } from "../base/system-error.js";

/** As in cli/exit-status.ts, for what the host lacks. */
const HOST_STATUS = 3;

const program = await import("./program.js").catch((error: unknown) => {
  const trouble = explainSystemError(error);
  if (trouble === undefined) throw error;
  process.stderr.write(`livelab: ${trouble.message}\nlivelab: try: ${trouble.hint}\n`);
  process.exitCode = HOST_STATUS;
});
await program?.runProgram();
