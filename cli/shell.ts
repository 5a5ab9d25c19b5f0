/** `livelab shell` */
import { cloudBaseOf, findRelease } from "../builder/release/release.js";
import { openShell } from "../builder/shell.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { helpExamples } from "./help-examples.js";

interface ShellOptions {
  readonly release: string;
  readonly at?: string;
}

export function addShellCommand(program: Command, context: CommandContext): void {
  program
    .command("shell")
    .summary("open a root shell in a release; changes are thrown away")
    .requiredOption("-r, --release <stamp>", "release to open")
    .option("--at <stage>", "open it as it was before this stage (default: as it is now, or as a failed stage left it)")
    .argument("[command...]", "run this command, with an empty stdin, instead of an interactive shell")
    .addHelpText(
      "after",
      `
On a terminal, every key goes to the shell, Ctrl-C and Ctrl-Z too; exit or Ctrl-D ends it.
${helpExamples(
  ["livelab shell -r STAMP", "open the release as it is now, or as a failed stage left it"],
  ["livelab shell -r STAMP --at install_proto", "open it as it was before install_proto"],
  ["livelab shell -r STAMP -- chroot chroot dpkg -l", "run one command; its exit status is that of livelab"],
)}`,
    )
    .action(async (command: string[], { release, at }: ShellOptions) => {
      await context.readyTools();
      const found = await findRelease(await context.openHome(), release);
      const buildContext = await context.openBuildContext(found.profile, found.machine, {
        cloudBase: cloudBaseOf(found),
      });
      process.exitCode = await openShell(buildContext, {
        release,
        at,
        command,
        stdin: process.stdin,
        stdout: process.stdout,
        stderr: process.stderr,
        term: process.env["TERM"] || "dumb",
      });
    });
}
