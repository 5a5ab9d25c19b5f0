/** `livelab boot` */
import { join, resolve } from "node:path";
import { UsageError } from "../base/livelab-error.js";
import { checkCheckout } from "../builder/checkout/checkout.js";
import { stampOf } from "../builder/profile/stamp.js";
import { milestoneNames } from "../harness/boot/milestones.js";
import { bootAndPrint } from "./boot-and-print.js";
import { buildLatest } from "./build-latest.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { exitStatus } from "./exit-status.js";
import { helpExamples } from "./help-examples.js";
import { addBootOptions, qemuOption } from "./options.js";

/** Options of the command, and by attribute name those of the boot. */
interface Values extends Readonly<Record<string, unknown>> {
  readonly build?: boolean;
  readonly interactive?: boolean;
  readonly report?: string;
}

export function addBootCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("boot")
    .summary("boot a platform image through iPXE or from its media, and report every milestone")
    .argument("[image]", "folder with vmlinuz, initrd and filesystem.squashfs", context.latestImage);
  const givenOf = addBootOptions(command);
  command
    .addOption(qemuOption())
    .option("--build", "build what boots first, as `livelab build --for boot`, and boot that; without [image]")
    .option("--interactive", "join this terminal to the console; Ctrl-] disconnects; cannot be combined with --run")
    .option("--report <dir>", "folder for the boot's report and logs (default: out/reports/boot-<time>)")
    .addHelpText("after", HELP)
    .action(async (imageDir: string, values: Values) => {
      await checkCheckout(context.projectRoot);
      await context.readyTools();
      const given = givenOf(values);
      if (values.build) {
        if (command.args.length > 0) throw imageWithBuild();
        await buildLatest(context, given.medium === "ipxe" ? "boot" : "all");
      }
      const reportDir = resolve(values.report ?? join(context.outRoot, "reports", `boot-${stampOf(new Date())}`));
      const terminal = values.interactive ? { stdin: process.stdin, stdout: process.stdout } : undefined;
      const passed = await bootAndPrint(context, { given, imageDir, reportDir, terminal });
      if (!passed) process.exitCode = exitStatus.expectation;
    });
}

const imageWithBuild = (): UsageError =>
  new UsageError("BUILD_OR_IMAGE", "--build boots what it builds, so an image cannot be named", {
    hint: "leave out --build, or the image",
  });

const HELP = `
Milestones, in order: ${milestoneNames.join(", ")}.
A boot passes only the milestones on its way. A boot from a medium, for example, fetches nothing.

With --nic or --peer, all NICs are connected to one switch. It speaks LACP, passes VLAN tags and frames of any MTU, and reaches
the headnode. The report's wire.pcap records its traffic, without TCP. A routed peer is reached through a peer that is not routed.

--run logs in as root. If a node.config sets root's password, write the password to <node.config>.password; the headnode never
serves that file.
${helpExamples(
  [
    "livelab boot --networking fixtures/networking.json --node-config fixtures/node.config --run 'ip -brief address'",
    "",
  ],
  [
    "livelab boot --networking two.json --nic 52:54:00:99:00:39 --peer 10.99.99.60 --run 'ping -c1 10.99.99.60'",
    "boot with two NICs and a peer",
  ],
  [
    "livelab boot --append triton.dhcp-all-nics --interactive",
    "without networking.json, with your terminal on the console",
  ],
  ["livelab boot --build --run 'journalctl -b -p warning'", "build your change, boot it, and look into it"],
  ["livelab boot out/20261123T010203Z --until pivot", "boot another image, only until systemd starts"],
  ["livelab boot --medium iso --firmware uefi --interactive", "boot the ISO, with GRUB's menu on your terminal"],
)}`;
