/** `livelab test` */
import { join, resolve } from "node:path";
import { isThere } from "../base/is-there.js";
import type { Purpose } from "../builder/build.js";
import { checkCheckout } from "../builder/checkout/checkout.js";
import { isForBoot, readOutputReport } from "../builder/release/outputs.js";
import { formatTestReport } from "../harness/reports/text-report.js";
import { writeTestReport } from "../harness/reports/write-test-report.js";
import { isHostsFault } from "../harness/scenarios/broken-by-host.js";
import { chooseScenarios, describeScenarios } from "../harness/scenarios/choose-scenarios.js";
import { bootsMedium } from "../harness/scenarios/scenario.js";
import { runScenarios, type ScenarioRunOptions } from "../harness/scenarios/scenario-run.js";
import { allScenarios } from "../test/scenarios/all-scenarios.js";
import { buildLatest } from "./build-latest.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { exitStatus } from "./exit-status.js";
import { acceleratorOption, countOption, qemuOption } from "./options.js";

interface TestOptions {
  readonly image?: string;
  readonly list?: boolean;
  readonly jobs?: number;
  readonly accel: ScenarioRunOptions["accelerator"];
  readonly report: string;
}

export function addTestCommand(program: Command, context: CommandContext): void {
  const { projectRoot, print, progress, signal, findLoaders } = context;
  program
    .command("test")
    .summary("run the boot scenarios; build the image first if out/ has none")
    .argument("[scenario...]", "scenarios to run (default: all; see --list)")
    .option("--image <dir>", "folder with vmlinuz, initrd and filesystem.squashfs (default: out/latest)")
    .option("--list", "list the scenarios and run none")
    .addOption(
      countOption(
        "-j, --jobs <count>",
        "how many scenarios run at once (default: one per processor, within the free memory)",
        1,
      ),
    )
    .addOption(acceleratorOption())
    .addOption(qemuOption())
    .option(
      "--report <dir>",
      "folder for report.json, junit.xml, index.html and one folder per boot",
      join(context.outRoot, "test-report"),
    )
    .action(async (names: string[], options: TestOptions) => {
      if (options.list) return print(describeScenarios(allScenarios));
      const scenarios = chooseScenarios(allScenarios, names);
      await checkCheckout(projectRoot);
      await context.readyTools();
      const outDir = resolve(options.report);
      const imageDir = options.image ?? (await readyImage(context, scenarios.some(bootsMedium) ? "all" : "boot"));
      const stateDir = (await context.openHome()).root;
      const report = await runScenarios(
        scenarios,
        { imageDir, outDir, stateDir, accelerator: options.accel, findLoaders, jobs: options.jobs },
        { signal, progress, writeReport: writeTestReport },
      );
      print(formatTestReport(report));
      print(`report: ${join(outDir, "index.html")}`);
      if (!report.ok) process.exitCode = isHostsFault(report) ? exitStatus.host : exitStatus.expectation;
    });
}

/** Builds out/latest if it does not exist, or lacks outputs of the purpose. */
async function readyImage(context: CommandContext, purpose: Purpose): Promise<string> {
  const { latestImage, progress } = context;
  const isImage = await isThere(join(latestImage, "vmlinuz"));
  const report = await readOutputReport(latestImage);
  const lacksMedia = purpose === "all" && report !== undefined && isForBoot(report);
  if (isImage && !lacksMedia) return latestImage;
  progress.note(
    isImage ? "out/latest was built for boot only: making archives and media" : "out/ has no image yet: building one",
  );
  await buildLatest(context, purpose);
  return latestImage;
}
