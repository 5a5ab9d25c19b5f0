/** `livelab compare` */
import { resolve } from "node:path";
import { compareReleases } from "../builder/compare/compare.js";
import { describeComparison, isDifferent } from "../builder/compare/describe-comparison.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { exitStatus } from "./exit-status.js";
import { outputOption } from "./options.js";

export function addCompareCommand(program: Command, context: CommandContext): void {
  const { print, progress, signal } = context;
  program
    .command("compare")
    .summary("name the first stage and the first file in which two releases differ, and show how")
    .argument("<first>", "stamp of a release, or folder of its outputs")
    .argument("<second>", "the other")
    .addOption(outputOption(context.outRoot))
    .action(async (first: string, second: string, options: { readonly output: string }) => {
      const home = await context.openHome();
      const outRoot = resolve(options.output);
      const report = await progress.step(`compare ${first} with ${second}`, (step) =>
        compareReleases({ sides: [first, second], outRoot, home, step, signal }),
      );
      print(describeComparison(report));
      if (isDifferent(report)) process.exitCode = exitStatus.expectation;
    });
}
