#!/usr/bin/env node
/**
 * The `livelab` command: parses, calls, maps outcomes to exit codes; nothing else.
 * Results go to stdout, progress and errors to stderr.
 */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { build } from "./builder/build.js";
import { describeBuild, describeReleases, describeStages } from "./builder/describe.js";
import { openHome } from "./builder/home.js";
import { proxySettingsFrom } from "./builder/inputs/http-get.js";
import { profileNames } from "./builder/profiles.js";
import { findRelease, listReleases } from "./builder/release.js";
import { Workshop } from "./builder/workshop.js";
import { createProgress } from "./vm/create-progress.js";
import { type FailureKind, LivelabError } from "./vm/livelab-error.js";
import { findProjectRoot } from "./vm/project-root.js";

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
const homeRoot = resolve(
  process.env["LIVELAB_HOME"] || join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "livelab"),
);
const asRoot = process.getuid?.() === 0;
const interruption = new AbortController();
const { signal } = interruption;
const progress = createProgress(process.stderr, { now: Date.now });

const openWorkshop = (profile: string): Promise<Workshop> =>
  Workshop.open({
    homeRoot,
    projectRoot,
    profile,
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

const program = new Command("livelab")
  .description("Builds the Triton Linux platform image hermetically and proves that it boots.")
  .exitOverride()
  .configureHelp({ showGlobalOptions: true });

program
  .command("build")
  .summary("build a platform image, or run stages of a release again")
  .argument("[stage...]", "stages in order; ... stands for all that follow the one before it")
  .addOption(profileOption())
  .option("-r, --release <stamp>", "go on with this release from the first stage named")
  .option("--stamp <stamp>", "stamp of the new release, instead of the time now")
  .addOption(new Option("--machine <kind>", "where stages run").choices(["auto", "sandbox"]).default("auto"))
  .option("-o, --output <dir>", "folder of the outputs", join(projectRoot, "out"))
  .action(async (words: string[], options) => {
    const started = performance.now();
    const profile =
      options.release === undefined
        ? options.profile
        : (await findRelease(await openHome(homeRoot), options.release)).profile;
    const workshop = await openWorkshop(profile);
    if (options.machine === "auto") progress.note("builder machine: sandbox (Linux namespaces)");
    const result = await build(workshop, {
      words,
      release: options.release,
      newStamp: options.stamp,
      outRoot: resolve(options.output),
      now: new Date(),
    });
    print(describeBuild(result, performance.now() - started));
  });

program
  .command("stages")
  .summary("list the stages of a build, in order")
  .action(() => print(describeStages()));

program
  .command("releases")
  .summary("list the builds on this host with their stages")
  .action(async () => print(describeReleases(await listReleases(await openHome(homeRoot)))));

/** Tells an error the way a person can act on it; the cause's stack only for defects of ours. */
function report(error: unknown): number {
  // When a body and a disposer both throw, the first error is the suppressed one.
  const first = error instanceof Error && "suppressed" in error ? error.suppressed : error;
  if (first instanceof CommanderError) return first.exitCode === 0 ? 0 : 2;
  if (signal.aborted) {
    process.stderr.write("livelab: interrupted\n");
    return INTERRUPTED;
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

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(name, () => interruption.abort(new Error(`livelab got ${name}`)));
}
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
