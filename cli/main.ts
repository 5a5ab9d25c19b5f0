#!/usr/bin/env node
/**
 * Starts the `livelab` command: loads the program, and explains an error that prevents loading.
 * Node opens all modules of a program at once, more than a hundred files; a process with a lower limit fails here.
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
