/** `livelab sources` */
import { resolve } from "node:path";
import { describeSources, listDscs, readSources } from "../builder/release/sources.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";

export function addSourcesCommand(program: Command, { latestImage, print }: CommandContext): void {
  program
    .command("sources")
    .summary("list the packages of an image with their licences, and the sources to offer with it")
    .argument("[dir]", "folder of a release's outputs", latestImage)
    .option("--dsc", "only Debian's sources with their versions, one a line, for apt-get source --download-only")
    .action(async (dir: string, options: { readonly dsc?: boolean }) => {
      const packages = await readSources(resolve(dir));
      print(options.dsc ? listDscs(packages).join("\n") : describeSources(packages));
    });
}
