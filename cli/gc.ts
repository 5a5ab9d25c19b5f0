/** `livelab gc` */
import { formatBytes } from "../base/format.js";
import { collectGarbage, openGcContexts } from "../builder/gc.js";
import { freeBytesIn } from "../builder/home/disk-full.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { countOption } from "./options.js";

export function addGcCommand(program: Command, context: CommandContext): void {
  program
    .command("gc")
    .summary("drop what no kept release, lock or artifact needs")
    .addOption(countOption("--keep <count>", "how many releases stay, the newest", 0).default(3))
    .action(async ({ keep }: { readonly keep: number }) => {
      const home = await context.openHome();
      const before = await freeBytesIn(home.root);
      const buildContexts = await openGcContexts(home, context.projectRoot, (profile, machine, cloudBase) =>
        context.openBuildContext(profile, machine, { cloudBase }),
      );
      const dropped = await collectGarbage({ keep, buildContexts });
      const counts = Object.entries(dropped).map(([kind, count]) => `${count} ${kind}`);
      context.print(counts.join(", "));
      context.print(`${formatBytes(Math.max(0, (await freeBytesIn(home.root)) - before))} freed`);
    });
}
