/** `livelab lock update` and `livelab lock verify` */
import { chooseBuildMachine } from "../builder/build-machine.js";
import { loadLock, loadToolsLock } from "../builder/profile/lock.js";
import {
  defaultProfileName,
  type LockSpec,
  loadProfile,
  profileNames,
  toolsSpec,
  withSecurity,
} from "../builder/profile/profiles.js";
import { describeChange, updateLock } from "../builder/resolve/lock-update.js";
import { verifyLock } from "../builder/resolve/lock-verify.js";
import type { ResolveRequest } from "../builder/resolve/resolver.js";
import type { CommandContext } from "./command-context.js";
import { type Command, Option } from "./commander.js";

export function addLockCommand(program: Command, context: CommandContext): void {
  const command = program.command("lock").summary("update or verify the pinned inputs of a profile");
  command
    .command("update")
    .summary("resolve the profile's packages again, with apt in a builder machine")
    .addOption(lockOption())
    .option("--with-security", "include the release's security suite, in a lock of its own")
    .action(async (options: { readonly profile: string; readonly withSecurity?: boolean }) => {
      const profile = specToUpdate(options);
      const changes = await updateLock({ profile, ...(await resolveRequest(context, profile)) });
      context.print(changes.length === 0 ? "the lock is up to date" : changes.map(describeChange).join("\n"));
    });
  command
    .command("verify")
    .summary("check that the lock needs no other package and that every file is available")
    .addOption(lockOption())
    .action(async (options: { readonly profile: string }) => {
      const isTools = options.profile === toolsSpec.name;
      const lock = isTools
        ? await loadToolsLock(context.projectRoot)
        : await loadLock(context.projectRoot, loadProfile(options.profile));
      await verifyLock({ lock, ...(await resolveRequest(context, lock.profile)) });
      context.print(`the lock of ${options.profile} is complete: ${lock.files().length} files`);
    });
}

/** -p of these commands: a profile, or the programs that livelab starts on the host. */
const lockOption = (): Option =>
  new Option("-p, --profile <name>", `profile of the image, or "${toolsSpec.name}" for the programs of livelab's own`)
    .choices([...profileNames, toolsSpec.name])
    .default(defaultProfileName);

function specToUpdate(options: { readonly profile: string; readonly withSecurity?: boolean }): LockSpec {
  if (options.profile === toolsSpec.name) return toolsSpec;
  const profile = loadProfile(options.profile);
  return options.withSecurity ? withSecurity(profile) : profile;
}

async function resolveRequest(context: CommandContext, profile: LockSpec): Promise<ResolveRequest> {
  await context.readyTools();
  // The default profile's apt resolves for all: a profile without a lock has no machine, and Debian 10's apt has no patterns.
  const absentSets = "leave out"; // the update adds a set that is new in the profile
  const kind = await chooseBuildMachine(() => context.openBuildContext(defaultProfileName, "sandbox", { absentSets }));
  const buildContext = await context.openBuildContext(defaultProfileName, kind, { absentSets });
  return {
    projectRoot: context.projectRoot,
    store: buildContext.store,
    mirrors: await buildContext.findMirrors(profile),
    openMachine: (gateway) => buildContext.openResolver(gateway),
    progress: context.progress,
    proxy: buildContext.options.proxy,
    signal: context.signal,
  };
}
