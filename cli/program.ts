/** The program: runs a command and sets the exit status. Results go to stdout, progress and errors to stderr. */
import { addBootCommand } from "./boot.js";
import { addBuildCommand } from "./build.js";
import { type CommandContext, createCommandContext } from "./command-context.js";
import { Command } from "./commander.js";
import { addCompareCommand } from "./compare.js";
import { addDoctorCommand } from "./doctor.js";
import { reportError } from "./error-report.js";
import { addGcCommand } from "./gc.js";
import { addInputsCommand } from "./inputs.js";
import { listenForInterruption } from "./interruption.js";
import { addLockCommand } from "./lock.js";
import { addReleasesCommand } from "./releases.js";
import { addShellCommand } from "./shell.js";
import { addSourcesCommand } from "./sources.js";
import { addStagesCommand } from "./stages.js";
import { addTestCommand } from "./test.js";
import { addVerifyCommand } from "./verify.js";
import { addWatchCommand } from "./watch.js";

/** The order is that of `livelab --help`. */
const commands: readonly ((program: Command, context: CommandContext) => void)[] = [
  addBuildCommand,
  addStagesCommand,
  addReleasesCommand,
  addShellCommand,
  addLockCommand,
  addInputsCommand,
  addBootCommand,
  addTestCommand,
  addWatchCommand,
  addVerifyCommand,
  addCompareCommand,
  addSourcesCommand,
  addDoctorCommand,
  addGcCommand,
];

/** Runs the command line of this process and sets its exit status. */
export async function runProgram(): Promise<void> {
  const signal = listenForInterruption();
  try {
    await createProgram(createCommandContext(signal)).parseAsync();
  } catch (error) {
    process.exitCode = reportError(error, signal);
  }
}

function createProgram(context: CommandContext): Command {
  const program = new Command("livelab")
    .description("Builds the Triton Linux platform image hermetically and proves that it boots.")
    .exitOverride()
    .configureHelp({ showGlobalOptions: true });
  for (const add of commands) add(program, context);
  return program;
}
