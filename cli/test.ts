/** `livelab test` */
import { join, resolve } from "node:path";
import { isThere } from "../base/is-there.js";
import { build } from "../builder/build.js";
import { chooseBuildMachine } from "../builder/build-machine.js";
import { checkCheckout } from "../builder/checkout/checkout.js";
import { defaultProfileName } from "../builder/profile/profiles.js";
import { formatTestReport } from "../harness/reports/text-report.js";
import { writeTestReport } from "../harness/reports/write-test-report.js";
import { isHostsFault } from "../harness/scenarios/broken-by-host.js";
import { chooseScenarios, describeScenarios } from "../harness/scenarios/choose-scenarios.js";
import { runScenarios, type ScenarioRunOptions } from "../harness/scenarios/scenario-run.js";
import { allScenarios } from "../test/scenarios/all-scenarios.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { exitStatus } from "./exit-status.js";
import { acceleratorOption, countOption } from "./options.js";

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
    .summary("run the boot scenarios; builds the image first if out/ has no image")
    .argument("[scenario...]", "names of scenarios (default: all; --list says which)")
    .option("--image <dir>", "folder with vmlinuz, initrd and filesystem.squashfs (default: out/latest)")
    .option("--list", "list the scenarios and run none")
    .addOption(
      countOption(
        "-j, --jobs <count>",
        "how many scenarios run at once (default: one a processor, as memory allows)",
        1,
      ),
    )
    .addOption(acceleratorOption())
    .option(
      "--report <dir>",
      "folder for report.json, junit.xml, index.html and a folder a boot",
      join(context.outRoot, "test-report"),
    )
    .action(async (names: string[], options: TestOptions) => {
      if (options.list) return print(describeScenarios(allScenarios));
      const scenarios = chooseScenarios(allScenarios, names);
      await checkCheckout(projectRoot);
      const outDir = resolve(options.report);
      const imageDir = options.image ?? (await buildIfMissing(context));
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

/** Builds out/latest if it does not exist. */
async function buildIfMissing({ latestImage, outRoot, progress, openBuildContext }: CommandContext): Promise<string> {
  if (await isThere(join(latestImage, "vmlinuz"))) return latestImage;
  progress.note("there is no image in out/ yet: building one");
  const kind = await chooseBuildMachine(() => openBuildContext(defaultProfileName));
  await build(await openBuildContext(defaultProfileName, kind), { words: [], outRoot, now: new Date() });
  return latestImage;
}
