/** One boot of `livelab boot` and `livelab watch`, with its results on stdout. */
import { bootImage } from "../harness/boot/boot.js";
import type { CommandLineBootOptions } from "../harness/boot/boot-options.js";
import { formatBootReport } from "../harness/boot/boot-report.js";
import type { CnTerminal } from "../harness/boot/terminal.js";
import type { CommandContext } from "./command-context.js";

export interface PrintedBoot {
  /** The options of the command line. */
  readonly given: CommandLineBootOptions;
  readonly imageDir: string;
  readonly reportDir: string;
  /** @default no terminal is joined to the console */
  readonly terminal?: CnTerminal | undefined;
}

/** Boots an image, and prints the output of its commands and its report. @returns whether it passed @throws as bootImage() */
export async function bootAndPrint(context: CommandContext, boot: PrintedBoot): Promise<boolean> {
  const { print, progress, signal, findLoaders } = context;
  const { given, imageDir, reportDir, terminal } = boot;
  const stateDir = (await context.openHome()).root;
  const report = await bootImage(
    { ...given, imageDir, reportDir, stateDir, findLoaders },
    { signal, progress, terminal },
  );
  for (const each of report.commands) print(`$ ${each.command}\n${each.stdout.trimEnd()}`);
  print(formatBootReport(report, reportDir));
  return report.verdict.outcome === "passed";
}
