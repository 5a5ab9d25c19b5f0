/** `livelab build` */
import { resolve } from "node:path";
import { build, type Purpose, purposes } from "../builder/build.js";
import { type BuildMachineRequest, chooseBuildMachine } from "../builder/build-machine.js";
import { describeBuild } from "../builder/release/describe.js";
import { cloudBaseOf, findRelease } from "../builder/release/release.js";
import { readCloudBase } from "../builder/store/cloud-image.js";
import { pinnedCloudImages } from "../builder/store/cloud-images.js";
import type { CommandContext } from "./command-context.js";
import { type Command, Option } from "./commander.js";
import { helpExamples } from "./help-examples.js";
import { acceleratorOption, outputOption, profileOption, qemuOption } from "./options.js";

interface BuildOptions {
  readonly profile: string;
  readonly release?: string;
  readonly stamp?: string;
  readonly machine?: BuildMachineRequest["machine"];
  readonly accel: BuildMachineRequest["accelerator"];
  readonly base?: string;
  readonly baseDigest?: string;
  readonly compression?: string;
  readonly for: Purpose;
  readonly output: string;
}

export function addBuildCommand(program: Command, context: CommandContext): void {
  program
    .command("build")
    .summary("build a platform image, or run stages of a release again")
    .argument("[stage...]", "stages to run, in order; ... stands for all stages after the one before it")
    .addOption(profileOption().conflicts("release"))
    .option("-r, --release <stamp>", "continue this release from the first stage named")
    .addOption(
      new Option("--stamp <stamp>", "stamp of the new release, instead of the current time").conflicts("release"),
    )
    .addOption(
      new Option("--machine <kind>", "where stages run: in a VM, or in a sandbox of Linux namespaces").choices([
        "auto",
        "vm",
        "sandbox",
      ]),
    )
    .addOption(acceleratorOption())
    .addOption(qemuOption())
    .option(
      "--base <name|file>",
      `make the VM's root from this cloud image: ${pinnedCloudImages.map(({ name }) => name).join(", ")}, or a file (default: in the sandbox, or in a VM of locked packages)`,
    )
    .option("--base-digest <digest>", "digest of the --base file: sha256:... or sha512:...")
    .addOption(
      new Option(
        "--compression <name[:level]>",
        "compression of the squashfs: gzip, xz or zstd (default: the profile's; docs/build.md compares them)",
      ).conflicts("release"),
    )
    .addOption(
      new Option("--for <purpose>", "boot: make only what boots, without archives and media; all: make every output")
        .choices(purposes)
        .default("all"),
    )
    .addOption(outputOption(context.outRoot))
    .addHelpText(
      "after",
      helpExamples(
        ["livelab build", "build a new release; reuse stages that have not changed since an earlier one"],
        ["livelab build --for boot", "the same, but only what boots: the quickest way to try a change"],
        ["livelab build preflight_check", "only check that the builder machine has what it needs"],
        ["livelab build -r 20261123T010203Z install_proto ...", "run this release again, from install_proto on"],
        ["livelab build --machine vm", "run every stage in a VM; without working KVM it is emulated, and slow"],
      ),
    )
    .action(async (words: string[], options: BuildOptions) => {
      const started = performance.now();
      const outRoot = resolve(options.output); // before the work: a working folder that is gone is an error
      await context.readyTools();
      const release =
        options.release === undefined ? undefined : await findRelease(await context.openHome(), options.release);
      const profile = release?.profile ?? options.profile;
      const cloudBase = readCloudBase(options.base, options.baseDigest) ?? (release && cloudBaseOf(release));
      const request = { release, machine: options.machine, accelerator: options.accel, cloudBase };
      const kind = await chooseBuildMachine(() => context.openBuildContext(profile), request);
      const buildContext = await context.openBuildContext(profile, kind, {
        accelerator: options.accel,
        cloudBase,
        compression: release?.compression ?? options.compression,
      });
      const result = await build(buildContext, {
        words,
        purpose: options.for,
        release: options.release,
        newStamp: options.stamp,
        outRoot,
        now: new Date(),
      });
      context.print(describeBuild(result, performance.now() - started));
    });
}
