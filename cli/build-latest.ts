/** Builds out/latest for the commands that boot it. */
import { build, type Purpose } from "../builder/build.js";
import { chooseBuildMachine } from "../builder/build-machine.js";
import type { MachineKind } from "../builder/machines/builder-machine.js";
import { defaultProfileName } from "../builder/profile/profiles.js";
import type { BuildResult } from "../builder/release/outputs.js";
import type { CommandContext } from "./command-context.js";

export interface LatestBuild {
  /** Where stages run. @default chooseLatestMachine() */
  readonly machine?: MachineKind | undefined;
  /** Stamp of the release to run again. @default a new release, or an existing one with equal inputs */
  readonly release?: string | undefined;
}

/** Chooses the machine for buildLatest(). @throws as chooseBuildMachine() */
export const chooseLatestMachine = ({ openBuildContext }: CommandContext): Promise<MachineKind> =>
  chooseBuildMachine(() => openBuildContext(defaultProfileName));

/** Builds the default profile, and reuses what has not changed. @throws as build() */
export async function buildLatest(
  context: CommandContext,
  purpose: Purpose,
  { machine, release }: LatestBuild = {},
): Promise<BuildResult> {
  const kind = machine ?? (await chooseLatestMachine(context));
  const buildContext = await context.openBuildContext(defaultProfileName, kind);
  return await build(buildContext, { words: [], purpose, release, outRoot: context.outRoot, now: new Date() });
}
