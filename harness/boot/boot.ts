/**
 * `livelab boot`: one boot of one image to a milestone, with commands or a terminal, and a report.
 */
import { UsageError } from "../../base/livelab-error.js";
import { type Progress, silentProgress } from "../../base/progress/progress.js";
import { formatFileWarning } from "../cn-files/file-warning.js";
import { ExpectationFailed } from "../harness-error.js";
import { type BootOptions, planBoot } from "./boot-plan.js";
import type { BootReport } from "./boot-report.js";
import { expectSuccess } from "./expect.js";
import { type PowerOnContext, RunningCn } from "./running-cn.js";
import type { CnTerminal } from "./terminal.js";

export interface BootContext {
  readonly signal: AbortSignal;
  /** @default no progress output */
  readonly progress?: Progress;
  /** Joined to the console from power-on until Ctrl-] or the machine's end. Not possible with commands: they need it, too. */
  readonly terminal?: CnTerminal | undefined;
  /** See PowerOnContext. */
  readonly decideAccelerator?: PowerOnContext["decideAccelerator"];
}

/**
 * Boots an image. A boot that fails gives a report with a failed verdict, not an error.
 * @throws UsageError RUN_NEEDS_THE_CONSOLE, and those of planBoot
 * @throws VmError, HarnessError when livelab or the host could not finish the boot; the report is still written if the machine
 * was powered on
 * @throws the signal's reason when it is aborted
 */
export async function bootImage(options: BootOptions, context: BootContext): Promise<BootReport> {
  const { signal, terminal, decideAccelerator, progress = silentProgress } = context;
  if (terminal !== undefined && options.run !== undefined && options.run.length > 0) {
    throw new UsageError("RUN_NEEDS_THE_CONSOLE", "--run and --interactive both need the console", {
      hint: "leave one of them out",
    });
  }
  const plan = await planBoot(options);
  for (const warning of plan.warnings) progress.note(`warning: ${formatFileWarning(warning)}`);
  await using cn = await RunningCn.powerOn(plan, { signal, progress, decideAccelerator });
  try {
    if (terminal === undefined) {
      await cn.reach(plan.until);
      if (plan.run.length > 0) await runAll(cn, plan.run);
    } else {
      await cn.attach(terminal);
      if (!cn.recorder.has(plan.until)) {
        throw new ExpectationFailed("TIMED_OUT", `the terminal was disconnected before the boot reached ${plan.until}`);
      }
    }
  } catch (error) {
    const report = await cn.end(error);
    if (error instanceof ExpectationFailed) return report;
    progress.note(`folder: ${plan.reportDir}`); // a returned report names it
    throw error;
  }
  return await cn.end();
}

async function runAll(cn: RunningCn, commands: readonly string[]): Promise<void> {
  await using shell = await cn.logIn();
  for (const command of commands) expectSuccess(await shell.run(command));
}
