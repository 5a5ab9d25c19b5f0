/** `livelab inputs fetch`, `livelab inputs export` and `livelab inputs import` */
import { resolve } from "node:path";
import { formatBytes } from "../base/format.js";
import { markInUse } from "../builder/home/home-use.js";
import { exportInputs, importInputs } from "../builder/store/bundle.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { profileOption } from "./options.js";

interface InputsOptions {
  readonly profile: string;
}

export function addInputsCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("inputs")
    .summary("download inputs to the store, or carry them to a host without network");
  command
    .command("fetch")
    .summary("download the files of a profile's lock that the store lacks, and unpack livelab's own programs")
    .addOption(profileOption())
    .action(async (options: InputsOptions) => {
      const buildContext = await context.openBuildContext(options.profile);
      const { files, fetched, fetchedBytes } = await buildContext.fetchInputs(buildContext.allInputs);
      await context.readyTools();
      context.print(`${files} files in the store; ${fetched} fetched, ${formatBytes(fetchedBytes)}`);
    });
  for (const [name, summary, carry] of [
    ["export", "write all inputs of a profile to one file", exportInputs],
    ["import", "read inputs from an exported file; check every digest", importInputs],
  ] as const) {
    command
      .command(name)
      .summary(summary)
      .argument("<file>", "the bundle, a tar file")
      .addOption(profileOption())
      .action(async (file: string, options: InputsOptions) => {
        const { allInputs, store, home } = await context.openBuildContext(options.profile);
        await markInUse(home);
        await carry({
          lock: allInputs,
          store,
          file: resolve(file),
          progress: context.progress,
          signal: context.signal,
        });
        context.print(`${name}ed ${allInputs.files().length} files, ${file}`);
      });
  }
}
