/** Builds out/latest for the commands that boot it. */
import { build, type Purpose } from "../builder/build.js";
import { chooseBuildMachine } from "../builder/build-machine.js";
import { defaultProfileName } from "../builder/profile/profiles.js";
import type { CommandContext } from "./command-context.js";

/** Builds the default profile, and reuses what has not changed. @throws as build() */
export async function buildLatest({ outRoot, openBuildContext }: CommandContext, purpose: Purpose): Promise<void> {
  const kind = await chooseBuildMachine(() => openBuildContext(defaultProfileName));
  const buildContext = await openBuildContext(defaultProfileName, kind);
  await build(buildContext, { words: [], purpose, outRoot, now: new Date() });
}
