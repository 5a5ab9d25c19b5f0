/** `livelab lock update` and `livelab lock verify` */
import { chooseBuildMachine } from "../builder/build-machine.js";
import { loadLock } from "../builder/profile/lock.js";
import { defaultProfileName, loadProfile, type Profile, withSecurity } from "../builder/profile/profiles.js";
import { describeChange, updateLock } from "../builder/resolve/lock-update.js";
import { verifyLock } from "../builder/resolve/lock-verify.js";
import type { ResolveRequest } from "../builder/resolve/resolver.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { profileOption } from "./options.js";

export function addLockCommand(program: Command, context: CommandContext): void {
  const command = program.command("lock").summary("update or verify the pinned inputs of a profile");
  command
    .command("update")
    .summary("resolve the profile's packages again, with apt in a builder machine")
    .addOption(profileOption())
    .option("--with-security", "include the release's security suite, in a lock of its own")
    .action(async (options: { readonly profile: string; readonly withSecurity?: boolean }) => {
      const named = loadProfile(options.profile);
      const profile = options.withSecurity ? withSecurity(named) : named;
      const changes = await updateLock({ profile, ...(await resolveRequest(context, profile)) });
      context.print(changes.length === 0 ? "the lock is up to date" : changes.map(describeChange).join("\n"));
    });
  command
    .command("verify")
    .summary("check that the lock needs no other package and that every file is available")
    .addOption(profileOption())
    .action(async (options: { readonly profile: string }) => {
      const lock = await loadLock(context.projectRoot, loadProfile(options.profile));
      await verifyLock({ lock, ...(await resolveRequest(context, lock.profile)) });
      context.print(`the lock of ${options.profile} is complete: ${lock.files().length} files`);
    });
}

async function resolveRequest(context: CommandContext, profile: Profile): Promise<ResolveRequest> {
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
