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
  const command = program.command("lock").summary("recompute or verify the pinned inputs of a profile");
  command
    .command("update")
    .summary("let apt, in a builder machine, say which packages the profile takes now")
    .addOption(profileOption())
    .option("--with-security", "also from the release's security suite, as a lock of its own")
    .action(async (options: { readonly profile: string; readonly withSecurity?: boolean }) => {
      const named = loadProfile(options.profile);
      const profile = options.withSecurity ? withSecurity(named) : named;
      const changes = await updateLock({ profile, ...(await resolveRequest(context, profile)) });
      context.print(changes.length === 0 ? "the lock is up to date" : changes.map(describeChange).join("\n"));
    });
  command
    .command("verify")
    .summary("check that the lock resolves by itself and that every file is available")
    .addOption(profileOption())
    .action(async (options: { readonly profile: string }) => {
      const lock = await loadLock(context.projectRoot, loadProfile(options.profile));
      await verifyLock({ lock, ...(await resolveRequest(context, lock.profile)) });
      context.print(`the lock of ${options.profile} is good: ${lock.files().length} files`);
    });
}

async function resolveRequest(context: CommandContext, profile: Profile): Promise<ResolveRequest> {
  // The default profile's apt resolves for all of them: one without a lock has no machine, and apt of Debian 10 no patterns.
  const absentSets = "leave out"; // a set that the profile has only just got is what the lock is updated for
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
