/** `livelab boot` */
import { join, resolve } from "node:path";
import { checkCheckout } from "../builder/checkout/checkout.js";
import { stampOf } from "../builder/profile/stamp.js";
import { bootImage } from "../harness/boot/boot.js";
import { type CommandLineBootOptions, commandLineOptions } from "../harness/boot/boot-options.js";
import { formatBootReport } from "../harness/boot/boot-report.js";
import { milestoneNames } from "../harness/boot/milestones.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { exitStatus } from "./exit-status.js";
import { helpExamples } from "./help-examples.js";
import { declaredOption } from "./options.js";

/** Those that are not of the boot itself, and by attribute those that are. */
interface Values extends Readonly<Record<string, unknown>> {
  readonly interactive?: boolean;
  readonly report?: string;
}

export function addBootCommand(program: Command, context: CommandContext): void {
  const { projectRoot, print, progress, signal, findLoaders } = context;
  const command = program
    .command("boot")
    .summary("boot a platform image by iPXE or from its media, its console on ttyS1, and report every milestone")
    .argument("[image]", "folder with vmlinuz, initrd and filesystem.squashfs", context.latestImage);
  const declared = commandLineOptions.map(([name, option]) => [name, declaredOption(option)] as const);
  for (const [, option] of declared) command.addOption(option);
  command
    .option("--interactive", "join this terminal to ttyS1; Ctrl-] leaves; not with --run")
    .option("--report <dir>", "folder for what the boot leaves (default: out/reports/boot-<time>)")
    .addHelpText("after", HELP)
    .action(async (imageDir: string, values: Values) => {
      await checkCheckout(projectRoot);
      const given: CommandLineBootOptions = Object.fromEntries(
        declared.map(([name, option]) => [name, values[option.attributeName()]]),
      );
      const reportDir = resolve(values.report ?? join(context.outRoot, "reports", `boot-${stampOf(new Date())}`));
      const stateDir = (await context.openHome()).root;
      const terminal = values.interactive ? { stdin: process.stdin, stdout: process.stdout } : undefined;
      const report = await bootImage(
        { ...given, imageDir, reportDir, stateDir, findLoaders },
        { signal, progress, terminal },
      );
      for (const each of report.commands) print(`$ ${each.command}\n${each.stdout.trimEnd()}`);
      print(formatBootReport(report, reportDir));
      if (report.verdict.outcome !== "passed") process.exitCode = exitStatus.expectation;
    });
}

const HELP = `
Milestones, in order: ${milestoneNames.join(", ")}.
A boot passes those that are on its way: one from a medium, say, fetches nothing.
With --nic or --peer all NICs are on one switch, which speaks LACP, passes VLAN tags and frames of any MTU, and reaches the
headnode; wire.pcap in the report is what went over it, without TCP. A routed peer is behind the peers that are not.
Beside a node.config, the file <node.config>.password holds root's password; it is never served.
${helpExamples(
  ["livelab boot --networking fixtures/networking.json --node-config fixtures/node.config --run 'zpool status'", ""],
  [
    "livelab boot --networking two.json --nic 52:54:00:99:00:39 --peer 10.99.99.60 --run 'ping -c1 10.99.99.60'",
    "two NICs",
  ],
  ["livelab boot --append triton.dhcp-all-nics --interactive", "no networking.json, and your terminal on ttyS1"],
  ["livelab boot out/20261123T010203Z --until pivot", "another image, only as far as systemd"],
  ["livelab boot --medium iso --firmware uefi --interactive", "the ISO, with GRUB's menu on your terminal"],
)}`;
