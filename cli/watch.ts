/** `livelab watch` */
import { join, resolve } from "node:path";
import { UsageError } from "../base/livelab-error.js";
import { BuildInputs, inputFolders } from "../builder/build-inputs.js";
import { checkCheckout } from "../builder/checkout/checkout.js";
import { formatTestReport } from "../harness/reports/text-report.js";
import { writeTestReport } from "../harness/reports/write-test-report.js";
import { chooseScenarios } from "../harness/scenarios/choose-scenarios.js";
import { bootsMedium } from "../harness/scenarios/scenario.js";
import { runScenarios, type ScenarioRunOptions } from "../harness/scenarios/scenario-run.js";
import { allScenarios } from "../test/scenarios/all-scenarios.js";
import { bootAndPrint } from "./boot-and-print.js";
import { buildLatest, chooseLatestMachine } from "./build-latest.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { reportError } from "./error-report.js";
import { helpExamples } from "./help-examples.js";
import { addBootOptions, qemuOption } from "./options.js";
import { watchInputs } from "./watch-loop.js";

/** Options of the command; those of a boot are read by addBootOptions(). */
interface WatchOptions {
  readonly accel: ScenarioRunOptions["accelerator"];
  readonly report: string;
}

export function addWatchCommand(program: Command, context: CommandContext): void {
  const { projectRoot, outRoot, progress, signal } = context;
  const command = program
    .command("watch")
    .summary("build and boot after each change of the image's files")
    .argument("[scenario...]", "scenarios to run after each build (default: one boot; see livelab test --list)");
  const givenOf = addBootOptions(command);
  command
    .addOption(qemuOption())
    .option("--report <dir>", "folder for the report and logs of the latest boots", join(outRoot, "reports", "watch"))
    .addHelpText("after", HELP)
    .action(async (names: string[], values: WatchOptions) => {
      const given = givenOf(values);
      const scenarios = names.length === 0 ? [] : chooseScenarios(allScenarios, names);
      if (scenarios.length > 0) assertNoBootOptions(command);
      await checkCheckout(projectRoot);
      await context.readyTools();
      const reportDir = resolve(values.report);
      const bootsMedia = scenarios.some(bootsMedium) || (given.medium ?? "ipxe") !== "ipxe";
      const machine = await chooseLatestMachine(context);
      let release: string | undefined;

      const round = async (roundSignal: AbortSignal): Promise<void> => {
        const during = context.withSignal(roundSignal);
        // Later rounds go on with the release of the first that made one, so that out/ does not fill with releases.
        const built = await buildLatest(during, bootsMedia ? "all" : "boot", { machine, release });
        if (!built.unchanged) release = built.release.stamp;
        const imageDir = built.outputs?.folder ?? context.latestImage;
        if (scenarios.length === 0) {
          await bootAndPrint(during, { given, imageDir, reportDir });
          return;
        }
        const stateDir = (await during.openHome()).root;
        const report = await runScenarios(
          scenarios,
          { imageDir, outDir: reportDir, stateDir, accelerator: values.accel, findLoaders: during.findLoaders },
          { signal: roundSignal, progress, writeReport: writeTestReport },
        );
        context.print(formatTestReport(report));
      };

      progress.note(`watching ${inputFolders.map((folder) => `${folder}/`).join(", ")}; Ctrl-C ends`);
      const inputs = new BuildInputs(projectRoot);
      await watchInputs({
        readInputs: () => inputs.read(),
        round,
        onError: (error) => void reportError(error, signal),
        note: (text) => progress.note(text),
        signal,
      });
    });
}

/** @throws UsageError SCENARIO_OR_BOOT if the command line sets an option of a boot that scenarios set themselves */
function assertNoBootOptions(command: Command): void {
  const own = ["accel", "qemu", "report"];
  const [option] = command.options.filter(
    (each) => !own.includes(each.attributeName()) && command.getOptionValueSource(each.attributeName()) === "cli",
  );
  if (option === undefined) return;
  throw new UsageError("SCENARIO_OR_BOOT", `${option.long} is for one boot, but scenarios set the options of theirs`, {
    hint: "name scenarios, or options of a boot",
  });
}

const HELP = `
The first build and boot begin at once; each other begins when a file of the inputs has changed. A change stops the build or
the boot that is running. A failed build, boot or claim is reported, and the watch goes on.

Inputs are ${inputFolders.map((folder) => `${folder}/`).join(", ")}.
After a change of livelab's own sources, end the watch and run npm run setup.
All rounds use one release, out/latest. What earlier rounds left in LIVELAB_HOME stays until \`livelab gc\` runs.
${helpExamples(
  ["livelab watch", "boot each change to the login prompt"],
  ["livelab watch --run 'systemctl --failed'", "the same, and show failed units"],
  ["livelab watch --until pivot --networking two.json", "boot each change only until systemd starts"],
  ["livelab watch fresh-cn", "check each change with the claims of a scenario"],
)}`;
