/** `livelab releases` */
import { poolRecordFile, readPoolRecord } from "../builder/machines/vm/pool-record.js";
import { describeReleases } from "../builder/release/describe.js";
import { listReleases } from "../builder/release/release.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";

export function addReleasesCommand(program: Command, context: CommandContext): void {
  program
    .command("releases")
    .summary("list the builds on this host with their stages, and the snapshots or layers that these left")
    .action(async () => {
      const home = await context.openHome();
      context.print(describeReleases(await listReleases(home), await readPoolRecord(poolRecordFile(home))));
    });
}
