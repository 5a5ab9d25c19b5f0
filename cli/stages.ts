/** `livelab stages` */
import { describeStages } from "../builder/release/describe.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";

export function addStagesCommand(program: Command, { print }: CommandContext): void {
  program
    .command("stages")
    .summary("list the stages of a build, in order")
    .action(() => print(describeStages()));
}
