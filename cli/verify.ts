/** `livelab verify` */
import { resolve } from "node:path";
import { describeVerification, verify } from "../builder/verify/verify.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { exitStatus } from "./exit-status.js";

export function addVerifyCommand(program: Command, { latestImage, print, progress, signal }: CommandContext): void {
  program
    .command("verify")
    .summary("check a release's folder, or a platform archive, against all rules")
    .argument("[path]", "folder or .tgz file", latestImage)
    .action(async (path: string) => {
      const report = await progress.step(`verify ${path}`, (step) => verify(resolve(path), { step, signal }));
      print(describeVerification(path, report));
      if (report.violations.length > 0) process.exitCode = exitStatus.expectation;
    });
}
