/**
 * The commands of `livelab`: parses, calls, maps outcomes to exit codes; nothing else.
 * Results go to stdout, progress and errors to stderr.
 */
import { constants } from "node:fs";
import { access, statfs } from "node:fs/promises";
import { release } from "node:os";
import { join, resolve } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { firstError, laterErrors } from "../base/first-error.js";
import { formatBytes } from "../base/format.js";
import { describeChecks, type HostCheck } from "../base/host-check.js";
import { type FailureKind, LivelabError, UsageError } from "../base/livelab-error.js";
import { OutputLost, READER_GONE_STATUS, watchOutput } from "../base/lost-output.js";
import { isDiskFullError } from "../base/no-room.js";
import { createProgress } from "../base/progress/create-progress.js";
import { findProjectRoot } from "../base/project-root.js";
import { isRefusal, whyRefused } from "../base/refused-path.js";
import { explainSystemError } from "../base/system-error.js";
import { checkTempFolder } from "../base/temp-dir-check.js";
import { build } from "../builder/build.js";
import { BuildContext, type BuildContextOptions } from "../builder/build-context.js";
import { checkCheckout } from "../builder/checkout/checkout.js";
import { chooseMachine, type MachineRequest } from "../builder/choose-machine.js";
import { compareReleases } from "../builder/compare/compare.js";
import { describeComparison, isDifferent } from "../builder/compare/describe-comparison.js";
import { collectGarbage } from "../builder/gc.js";
import { openHome } from "../builder/home/home.js";
import { homeFolder } from "../builder/home/home-folder.js";
import { markInUse } from "../builder/home/home-use.js";
import { checkBuildHost } from "../builder/host-checks.js";
import { readyIpxeLoaders } from "../builder/ipxe-loaders.js";
import { type MachineKind, machineKinds } from "../builder/machines/builder-machine.js";
import { poolRecordFile, readPoolRecord } from "../builder/machines/vm/pool-record.js";
import { hasLock, loadLock } from "../builder/profile/lock.js";
import { loadProfile, type Profile, profileNames, withSecurity } from "../builder/profile/profiles.js";
import { stampOf } from "../builder/profile/stamp.js";
import { describeBuild, describeReleases, describeStages } from "../builder/release/describe.js";
import { findRelease, listReleases, type Release } from "../builder/release/release.js";
import { describeSources, listDscs, readSources } from "../builder/release/sources.js";
import { describeChange, updateLock } from "../builder/resolve/lock-update.js";
import { verifyLock } from "../builder/resolve/lock-verify.js";
import type { ResolveRequest } from "../builder/resolve/resolver.js";
import { openShell } from "../builder/shell.js";
import { exportInputs, importInputs } from "../builder/store/bundle.js";
import { type CloudImageSource, parseCloudBase } from "../builder/store/cloud-image.js";
import { pinnedCloudImages } from "../builder/store/cloud-images.js";
import { proxySettingsFrom } from "../builder/store/http-get.js";
import { describeVerification, verify } from "../builder/verify/verify.js";
import { bootImage } from "../harness/boot/boot.js";
import { firmwareNames, mediumNames } from "../harness/boot/boot-medium.js";
import { formatBootReport } from "../harness/boot/boot-report.js";
import { milestoneNames } from "../harness/boot/milestones.js";
import { transportNames } from "../harness/headnode/headnode.js";
import { formatTestReport } from "../harness/reports/text-report.js";
import { writeTestReport } from "../harness/reports/write-test-report.js";
import { isHostsFault } from "../harness/scenarios/broken-by-host.js";
import { chooseScenarios, describeScenarios } from "../harness/scenarios/choose-scenarios.js";
import { runScenarios } from "../harness/scenarios/scenario-run.js";
import { parseHostAddress } from "../harness/wire/answering-host.js";
import { allScenarios } from "../test/scenarios/all-scenarios.js";
import type { AcceleratorRequest } from "../vm/accelerator/accelerator.js";
import { forgetFindings } from "../vm/accelerator/accelerator-cache.js";
import { checkMachines } from "../vm/accelerator/kvm-check.js";

const exitCodes: Readonly<Record<FailureKind, number>> = {
  expectation: 1,
  usage: 2,
  host: 3,
  inputs: 4,
  stage: 5,
  internal: 70,
};
const INTERRUPTED = 130;

const projectRoot = findProjectRoot();
/** Asked for by commands that need it: help and lists work for a user without a home. */
const homeRoot = (): string => homeFolder(process.env);
const asRoot = process.getuid?.() === 0;
const interruption = new AbortController();
const { signal } = interruption;
const progress = createProgress(process.stderr, { now: Date.now, env: process.env });

const openBuildContext = (
  profile: string,
  machine: MachineKind = "sandbox",
  more: Pick<BuildContextOptions, "accelerator" | "cloudBase" | "compression" | "absentSets"> = {},
): Promise<BuildContext> =>
  BuildContext.open({
    homeRoot: homeRoot(),
    projectRoot,
    profile,
    machine,
    ...more,
    mirror: process.env["LIVELAB_MIRROR"],
    proxy: proxySettingsFrom(process.env),
    asRoot,
    progress,
    signal,
  });

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const profileOption = (): Option =>
  new Option("-p, --profile <name>", "what to build").choices(profileNames).default(profileNames[0]);

const acceleratorOption = (): Option =>
  new Option("--accel <accelerator>", "KVM or emulation").choices(["auto", "kvm", "tcg"]).default("auto");

/** An option whose value is a whole number, `least` or more. Reading it throws UsageError BAD_COUNT. */
function countOption(flags: string, description: string, least: number): Option {
  const option = new Option(flags, description);
  return option.argParser((text): number => {
    if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
    const message = `${option.long} ${JSON.stringify(text)} is not a whole number, ${least} or more`;
    throw new UsageError("BAD_COUNT", message, { hint: `write it in digits, or leave ${option.long} out` });
  });
}

/** Command lines with what they do, for the end of a command's help. */
const examples = (...lines: readonly (readonly [string, string])[]): string =>
  [
    "",
    "Examples:",
    ...lines.map(([command, does]) => (does === "" ? `  ${command}` : `  ${command}\n      ${does}`)),
  ].join("\n");

const program = new Command("livelab")
  .description("Builds the Triton Linux platform image hermetically and proves that it boots.")
  .exitOverride()
  .configureHelp({ showGlobalOptions: true });

program
  .command("build")
  .summary("build a platform image, or run stages of a release again")
  .argument("[stage...]", "stages in order; ... stands for all that follow the one before it")
  .addOption(profileOption().conflicts("release"))
  .option("-r, --release <stamp>", "go on with this release from the first stage named")
  .addOption(new Option("--stamp <stamp>", "stamp of the new release, instead of the time now").conflicts("release"))
  .addOption(
    new Option("--machine <kind>", "where stages run: a VM, or Linux namespaces").choices(["auto", "vm", "sandbox"]),
  )
  .addOption(acceleratorOption())
  .option(
    "--base <name|file>",
    `make the VM's root in this cloud image: ${pinnedCloudImages.map(({ name }) => name).join(", ")}, or a file (default: in the sandbox)`,
  )
  .option("--base-digest <digest>", "of the --base file: sha256:... or sha512:...")
  .addOption(
    new Option(
      "--compression <name[:level]>",
      "of the squashfs: gzip, xz or zstd (default: the profile's; README.md compares them)",
    ).conflicts("release"),
  )
  .option("-o, --output <dir>", "folder of the outputs", join(projectRoot, "out"))
  .addHelpText(
    "after",
    examples(
      ["livelab build", "a new release; whatever has not changed since another is reused"],
      ["livelab build preflight_check", "only see whether the builder machine has what it needs"],
      ["livelab build -r 20261123T010203Z install_proto ...", "that release again, from install_proto on"],
      ["livelab build --machine vm", "every stage in a VM; without working KVM it is emulated, and slow"],
    ),
  )
  .action(async (words: string[], options) => {
    const started = performance.now();
    const old =
      options.release === undefined ? undefined : await findRelease(await openHome(homeRoot()), options.release);
    const profile = old?.profile ?? options.profile;
    const cloudBase = readCloudBase(options.base, options.baseDigest) ?? baseOf(old);
    const machine = options.machine ?? (cloudBase === undefined ? undefined : "vm");
    const kind = await chooseKind(profile, machine, options.accel, old);
    if (cloudBase !== undefined && kind !== "vm") {
      throw new UsageError("BASE_WITHOUT_VM", "--base is for the VM, and stages run in the sandbox here", {
        hint: "a new release with --machine vm, or leave --base out",
      });
    }
    const buildContext = await openBuildContext(profile, kind, {
      accelerator: options.accel,
      cloudBase,
      compression: old?.compression ?? options.compression,
    });
    const result = await build(buildContext, {
      words,
      release: options.release,
      newStamp: options.stamp,
      outRoot: resolve(options.output),
      now: new Date(),
    });
    print(describeBuild(result, performance.now() - started));
  });

function readCloudBase(base: string | undefined, digest: string | undefined): CloudImageSource | undefined {
  if (base !== undefined) return parseCloudBase(base, digest);
  if (digest === undefined) return undefined;
  throw new UsageError("BAD_BASE", "--base-digest is of a --base file, and none is named", {
    hint: "name it with --base FILE, or leave --base-digest out",
  });
}

/** What a release's builder VM was made in, if that was asked for: its stages go on upon the same root. */
const baseOf = (release: Release | undefined): CloudImageSource | undefined =>
  release?.base && parseCloudBase(release.base.image, release.base.digest);

/** @param fetch whether inputs may be fetched for it: a build needs them anyway */
const machineRequest = (
  buildContext: BuildContext,
  { preference, accelerator, fetch }: Pick<MachineRequest, "preference" | "accelerator"> & { readonly fetch: boolean },
): MachineRequest => ({
  preference,
  accelerator,
  stateDir: buildContext.home.root,
  findKernel: async () => (await findKernel(knownKernels())) ?? buildContext.findLockedKernel(fetch),
  assertSandbox: () => buildContext.assertSandbox(),
  signal,
});

/** Where the stages of a build run, with a progress line when --machine does not name the kind. */
async function chooseKind(
  profile: string,
  asked: "auto" | MachineKind | undefined,
  accelerator: AcceleratorRequest["preference"],
  old: Release | undefined,
  absentSets?: BuildContextOptions["absentSets"],
): Promise<MachineKind> {
  if (old !== undefined) {
    if (asked !== undefined && asked !== "auto" && asked !== old.machine) {
      throw new UsageError("OTHER_MACHINE", `release ${old.stamp} was begun in the ${old.machine}, and goes on there`, {
        hint: `a new release: livelab build --machine ${asked}`,
      });
    }
    return old.machine;
  }
  const choice = await chooseMachine(
    machineRequest(await openBuildContext(profile, "sandbox", { absentSets }), {
      preference: asked ?? "auto",
      accelerator,
      fetch: true,
    }),
  );
  if (choice.kind === "sandbox" && asked !== "sandbox") {
    progress.note(`builder machine: sandbox (Linux namespaces); a VM would run with ${choice.reason}`);
  }
  return choice.kind;
}

program
  .command("stages")
  .summary("list the stages of a build, in order")
  .action(() => print(describeStages()));

program
  .command("releases")
  .summary("list the builds on this host with their stages, and the snapshots or layers that these left")
  .action(async () => {
    const home = await openHome(homeRoot());
    print(describeReleases(await listReleases(home), await readPoolRecord(poolRecordFile(home))));
  });

program
  .command("shell")
  .summary("open a root shell in a release; what is changed there is thrown away")
  .requiredOption("-r, --release <stamp>", "the release to look at")
  .option("--at <stage>", "show it as it was before this stage (default: as it is now, or as a failed stage left it)")
  .argument("[command...]", "run this instead of an interactive shell")
  .addHelpText(
    "after",
    examples(
      ["livelab shell -r STAMP", "the release as it is now, or as the stage that failed left it"],
      ["livelab shell -r STAMP --at install_proto", "as it was before install_proto"],
      ["livelab shell -r STAMP -- chroot chroot dpkg -l", "one command, its output and status"],
    ),
  )
  .action(async (command: string[], options) => {
    const old = await findRelease(await openHome(homeRoot()), options.release);
    process.exitCode = await openShell(await openBuildContext(old.profile, old.machine, { cloudBase: baseOf(old) }), {
      release: options.release,
      at: options.at,
      command,
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      term: process.env["TERM"] || "dumb",
    });
  });

const resolveRequest = async (profile: Profile): Promise<ResolveRequest> => {
  // The default profile's apt resolves for all of them: one without a lock has no machine, and apt of Debian 10 no patterns.
  const first = profileNames[0] as string;
  const absentSets = "leave out"; // a set that the profile has only just got is what the lock is updated for
  const kind = await chooseKind(first, undefined, "auto", undefined, absentSets);
  const buildContext = await openBuildContext(first, kind, { absentSets });
  return {
    projectRoot,
    store: buildContext.store,
    mirrors: await buildContext.findMirrors(profile),
    openMachine: (gateway) => buildContext.openResolver(gateway),
    progress,
    proxy: buildContext.options.proxy,
    signal,
  };
};
const lockCommand = program.command("lock").summary("recompute or verify the pinned inputs of a profile");
lockCommand
  .command("update")
  .summary("let apt, in a builder machine, say which packages the profile takes now")
  .addOption(profileOption())
  .option("--with-security", "also from the release's security suite, as a lock of its own")
  .action(async (options) => {
    const named = loadProfile(options.profile);
    const profile = options.withSecurity ? withSecurity(named) : named;
    const changes = await updateLock({ profile, ...(await resolveRequest(profile)) });
    print(changes.length === 0 ? "the lock is up to date" : changes.map(describeChange).join("\n"));
  });
lockCommand
  .command("verify")
  .summary("check that the lock resolves by itself and that every file is available")
  .addOption(profileOption())
  .action(async (options) => {
    const lock = await loadLock(projectRoot, loadProfile(options.profile));
    await verifyLock({ lock, ...(await resolveRequest(lock.profile)) });
    print(`the lock of ${options.profile} is good: ${lock.files().length} files`);
  });

const inputsCommand = program.command("inputs").summary("fill the store, or carry it to a machine without network");
inputsCommand
  .command("fetch")
  .summary("download what the store lacks of a profile's lock")
  .addOption(profileOption())
  .action(async (options) => {
    const buildContext = await openBuildContext(options.profile);
    const { files, fetched, fetchedBytes } = await buildContext.fetchInputs();
    print(`${files} files in the store; ${fetched} fetched, ${formatBytes(fetchedBytes)}`);
  });
for (const [name, summary, carry] of [
  ["export", "write all inputs of a profile to one file", exportInputs],
  ["import", "take inputs from such a file; every digest is checked", importInputs],
] as const) {
  inputsCommand
    .command(name)
    .summary(summary)
    .argument("<file>", "the bundle, a tar file")
    .addOption(profileOption())
    .action(async (file: string, options) => {
      const { lock, store, home } = await openBuildContext(options.profile);
      await markInUse(home);
      await carry({ lock, store, file: resolve(file), progress, signal });
      print(`${name}ed ${lock.files().length} files, ${file}`);
    });
}

program
  .command("boot")
  .summary("boot a platform image by iPXE or from its media, its console on ttyS1, and report every milestone")
  .argument("[image]", "folder with vmlinuz, initrd and filesystem.squashfs", join(projectRoot, "out/latest"))
  .option("--networking <file>", "networking.json for the CN (default: none)")
  .option("--node-config <file>", "node.config for the CN (default: an empty one)")
  .option("--uuid <uuid>", "system UUID, as dmidecode prints it")
  .option("--mac <mac>", "MAC of the boot NIC")
  .option("--nic <mac>", "one more NIC, of this MAC; may be given again", collect, [])
  .option("--peer <address>", "a host that answers ARP and ping: IP[/VLAN][,routed]; may be given again", collect, [])
  .option("--disk <file>", "disk image, raw or qcow2; may be given again", collect, [])
  .option("--append <argument>", "kernel argument; may be given again", collect, [])
  .addOption(new Option("--medium <medium>", "what to boot from").choices(mediumNames).default("ipxe"))
  .addOption(new Option("--firmware <firmware>", "of the CN").choices(firmwareNames).default("bios"))
  .addOption(acceleratorOption())
  .addOption(
    new Option(
      "--transport <transport>",
      "all by HTTP, script and kernel by TFTP as from a booter, or all by TFTP (default: http; with --chain or UEFI: booter)",
    ).choices(transportNames),
  )
  .option("--chain", "let the NIC's PXE load an iPXE first, as on real hardware; with UEFI it always does")
  .addOption(countOption("--port <port>", "the headnode's HTTP port (default: any free one)", 1))
  .option("--until <milestone>", "milestone at which the boot counts as passed", "login")
  .option("--run <command>", "log in on ttyS1 and run this; may be given again", collect, [])
  .option("--interactive", "join this terminal to ttyS1; Ctrl-] leaves; not with --run")
  .option("--report <dir>", "folder for what the boot leaves (default: out/reports/boot-<time>)")
  .addHelpText(
    "after",
    `
Milestones, in order: ${milestoneNames.join(", ")}.
A boot passes those that are on its way: one from a medium, say, fetches nothing.
With --nic or --peer all NICs are on one switch, which speaks LACP, passes VLAN tags and frames of any MTU, and reaches the
headnode; wire.pcap in the report is what went over it, without TCP. A routed peer is behind the peers that are not.
Beside a node.config, the file <node.config>.password holds root's password; it is never served.
${examples(
  ["livelab boot --networking fixtures/networking.json --node-config fixtures/node.config --run 'zpool status'", ""],
  [
    "livelab boot --networking two.json --nic 52:54:00:99:00:39 --peer 10.99.99.60 --run 'ping -c1 10.99.99.60'",
    "two NICs",
  ],
  ["livelab boot --append triton.dhcp-all-nics --interactive", "no networking.json, and your terminal on ttyS1"],
  ["livelab boot out/20261123T010203Z --until pivot", "another image, only as far as systemd"],
  ["livelab boot --medium iso --firmware uefi --interactive", "the ISO, with GRUB's menu on your terminal"],
)}`,
  )
  .action(async (image: string, options) => {
    await checkCheckout(projectRoot);
    const folder = resolve(options.report ?? join(projectRoot, "out/reports", `boot-${stampOf(new Date())}`));
    const report = await bootImage(
      {
        imageDir: image,
        reportDir: folder,
        stateDir: (await openHome(homeRoot())).root,
        networkingPath: options.networking,
        nodeConfigPath: options.nodeConfig,
        uuid: options.uuid,
        mac: options.mac,
        nics: options.nic,
        peers: options.peer.map(parseHostAddress),
        disks: options.disk,
        append: options.append,
        medium: options.medium,
        firmware: options.firmware,
        until: options.until,
        run: options.run,
        transport: options.transport,
        chain: options.chain,
        findLoaders,
        port: options.port,
        accelerator: options.accel,
      },
      {
        signal,
        progress,
        ...(options.interactive ? { terminal: { stdin: process.stdin, stdout: process.stdout } } : {}),
      },
    );
    for (const { command, stdout } of report.commands) print(`$ ${command}\n${stdout.trimEnd()}`);
    print(formatBootReport(report, folder));
    if (report.verdict.outcome !== "passed") process.exitCode = exitCodes.expectation;
  });

program
  .command("test")
  .summary("run the boot scenarios; builds the image first if out/ has no image")
  .argument("[scenario...]", "names of scenarios (default: all; --list says which)")
  .option("--image <dir>", "folder with vmlinuz, initrd and filesystem.squashfs (default: out/latest)")
  .option("--list", "list the scenarios and run none")
  .addOption(
    countOption("-j, --jobs <count>", "how many scenarios run at once (default: one a processor, as memory allows)", 1),
  )
  .addOption(acceleratorOption())
  .option(
    "--report <dir>",
    "folder for report.json, junit.xml, index.html and a folder a boot",
    join(projectRoot, "out/test-report"),
  )
  .action(async (names: string[], options) => {
    if (options.list) return print(describeScenarios(allScenarios));
    const scenarios = chooseScenarios(allScenarios, names);
    await checkCheckout(projectRoot);
    const folder = resolve(options.report);
    const report = await runScenarios(
      scenarios,
      {
        imageDir: options.image ?? (await ensureImage()),
        outDir: folder,
        stateDir: (await openHome(homeRoot())).root,
        accelerator: options.accel,
        findLoaders,
        jobs: options.jobs,
      },
      { signal, progress, writeReport: writeTestReport },
    );
    print(formatTestReport(report));
    print(`report: ${join(folder, "index.html")}`);
    if (!report.ok) process.exitCode = isHostsFault(report) ? exitCodes.host : exitCodes.expectation;
  });

/** The iPXE that firmware loads, fetched where the store has none. */
let loaders: Promise<string> | undefined;
const findLoaders = (): Promise<string> => {
  loaders ??= openBuildContext(profileNames[0] as string).then(readyIpxeLoaders);
  return loaders;
};

/** out/latest, built first if it does not exist. */
async function ensureImage(): Promise<string> {
  const image = join(projectRoot, "out/latest");
  if ((await findKernel([join(image, "vmlinuz")])) === undefined) {
    progress.note("there is no image in out/ yet: building one");
    const profile = profileNames[0] as string;
    const buildContext = await openBuildContext(profile, await chooseKind(profile, undefined, "auto", undefined));
    await build(buildContext, { words: [], outRoot: join(projectRoot, "out"), now: new Date() });
  }
  return image;
}

program
  .command("verify")
  .summary("check a release's folder, or a platform archive, against all rules")
  .argument("[path]", "folder or .tgz file", join(projectRoot, "out/latest"))
  .action(async (path: string) => {
    const report = await progress.step(`verify ${path}`, (step) => verify(resolve(path), { step, signal }));
    print(describeVerification(path, report));
    if (report.violations.length > 0) process.exitCode = exitCodes.expectation;
  });

program
  .command("compare")
  .summary("name the first stage and the first file in which two releases differ, and show how")
  .argument("<first>", "stamp of a release, or folder of its outputs")
  .argument("<second>", "the other")
  .option("-o, --output <dir>", "folder of the outputs", join(projectRoot, "out"))
  .action(async (first: string, second: string, options) => {
    const home = await openHome(homeRoot());
    const outRoot = resolve(options.output);
    const report = await progress.step(`compare ${first} with ${second}`, (step) =>
      compareReleases({ sides: [first, second], outRoot, home, step, signal }),
    );
    print(describeComparison(report));
    if (isDifferent(report)) process.exitCode = exitCodes.expectation;
  });

program
  .command("sources")
  .summary("list the packages of an image with their licences, and the sources to offer with it")
  .argument("[dir]", "folder of a release's outputs", join(projectRoot, "out/latest"))
  .option("--dsc", "only Debian's sources with their versions, one a line, for apt-get source --download-only")
  .action(async (dir: string, options) => {
    const packages = await readSources(resolve(dir));
    print(options.dsc ? listDscs(packages).join("\n") : describeSources(packages));
  });

program
  .command("doctor")
  .summary("say what this host can do, and how to mend what it cannot")
  .option("--json", "as JSON")
  .option("--reprobe", "ask anew whether KVM works, whatever was found before")
  .action(async (options) => {
    const tempFolder = await checkTempFolder();
    const show = (checks: readonly HostCheck[]): void => {
      print(options.json ? JSON.stringify(checks, null, 2) : describeChecks(checks));
      if (checks.some((check) => check.state === "missing")) process.exitCode = exitCodes.host;
    };
    if (tempFolder.state === "missing") return show([tempFolder]); // all other checks put something there
    const buildContext = await openBuildContext(profileNames[0] as string);
    if (options.reprobe) await forgetFindings(buildContext.home.root);
    const kernelPath = (await findKernel(knownKernels())) ?? (await buildContext.findLockedKernel(false));
    show([
      tempFolder,
      ...(await checkMachines({ kernelPath, stateDir: buildContext.home.root, signal })),
      ...(await checkBuildHost(
        buildContext,
        await chooseMachine(machineRequest(buildContext, { preference: "auto", accelerator: "auto", fetch: false })),
      )),
    ]);
  });

program
  .command("gc")
  .summary("drop what no kept release, lock or artifact needs")
  .addOption(countOption("--keep <count>", "how many releases stay, the newest", 0).default(3))
  .action(async (options) => {
    const home = await openHome(homeRoot());
    const before = await freeBytes(home.root);
    const buildContexts: BuildContext[] = [];
    const releases = await listReleases(home);
    for (const name of profileNames) {
      if (!(await hasLock(projectRoot, loadProfile(name)))) continue;
      const bases = releases.filter(({ profile }) => profile === name).flatMap((release) => baseOf(release) ?? []);
      for (const cloudBase of bases) buildContexts.push(await openBuildContext(name, "vm", { cloudBase }));
      for (const machine of machineKinds) buildContexts.push(await openBuildContext(name, machine));
    }
    const dropped = await collectGarbage({ keep: options.keep, buildContexts });
    print(
      Object.entries(dropped)
        .map(([kind, count]) => `${count} ${kind}`)
        .join(", "),
    );
    print(`${formatBytes(Math.max(0, (await freeBytes(home.root)) - before))} freed`);
  });

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

/** Kernels that KVM can be tried with. */
const knownKernels = (): string[] => [join(projectRoot, "out/latest/vmlinuz"), `/boot/vmlinuz-${release()}`];

async function findKernel(candidates: readonly string[]): Promise<string | undefined> {
  for (const path of candidates) {
    const readable = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (readable) return path;
  }
  return undefined;
}

/** Reports an error and, after it, what failed in tidying up. @returns the exit status of the first */
function report(error: unknown): number {
  const status = reportFirst(firstError(error));
  for (const later of laterErrors(error)) {
    process.stderr.write(`livelab: after that: ${later instanceof Error ? later.message : String(later)}\n`);
  }
  return status;
}

/** Writes an error with what the reader can do about it; prints a stack only for defects of livelab. */
function reportFirst(first: unknown): number {
  if (first instanceof CommanderError) return first.exitCode === 0 ? 0 : 2;
  if (signal.reason instanceof OutputLost) return signal.reason.readerGone ? READER_GONE_STATUS : exitCodes.host;
  if (signal.aborted) {
    process.stderr.write("livelab: interrupted\n");
    return INTERRUPTED;
  }
  if (first instanceof Error && isDiskFullError(first)) {
    process.stderr.write(`livelab: a disk is full: ${first.message}\n`);
    process.stderr.write(
      "livelab: try: livelab gc, or remove what you can spare, in LIVELAB_HOME or the temp folder\n",
    );
    return exitCodes.host;
  }
  if (isRefusal(first)) {
    process.stderr.write(`livelab: cannot use ${first.path} (${first.syscall}): ${whyRefused(first.path, first)}\n`);
    process.stderr.write(
      "livelab: try: let this user access it (chown, chmod), or name another: LIVELAB_HOME, TMPDIR, -o DIR\n",
    );
    return exitCodes.host;
  }
  const trouble = explainSystemError(first);
  if (trouble !== undefined) {
    process.stderr.write(`livelab: ${trouble.message}\nlivelab: try: ${trouble.hint}\n`);
    return exitCodes.host;
  }
  if (first instanceof LivelabError && first.kind !== "internal") {
    process.stderr.write(`livelab: ${first.message}\n`);
    if (first.hint !== undefined) process.stderr.write(`livelab: try: ${first.hint}\n`);
    return exitCodes[first.kind];
  }
  process.stderr.write(
    `livelab: a defect of livelab itself: ${first instanceof Error ? (first.stack ?? first.message) : String(first)}\n`,
  );
  return exitCodes.internal;
}

// Not `once`: execa raises a signal again that nobody listens for any more, and the end would not be tidy.
let isInterrupted = false;
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    if (isInterrupted) process.exit(INTERRUPTED); // asked twice: machines die with us, folders are swept next time
    isInterrupted = true;
    interruption.abort(new Error(`livelab got ${name}`));
  });
}
watchOutput({ program: "livelab", onLost: (error) => interruption.abort(error) });
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
