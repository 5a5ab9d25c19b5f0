/** `livelab doctor` */
import { describeChecks, type HostCheck } from "../base/host-check.js";
import { checkTempFolder } from "../base/temp-dir-check.js";
import { findKvmKernel, judgeMachines } from "../builder/build-machine.js";
import { checkBuildHost } from "../builder/host-checks.js";
import { defaultProfileName } from "../builder/profile/profiles.js";
import { forgetFindings } from "../vm/accelerator/accelerator-cache.js";
import { checkMachines } from "../vm/accelerator/kvm-check.js";
import type { CommandContext } from "./command-context.js";
import type { Command } from "./commander.js";
import { exitStatus } from "./exit-status.js";

interface DoctorOptions {
  readonly json?: boolean;
  readonly reprobe?: boolean;
}

export function addDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command("doctor")
    .summary("say what this host can do, and how to mend what it cannot")
    .option("--json", "as JSON")
    .option("--reprobe", "ask anew whether KVM works, whatever was found before")
    .action(async ({ json = false, reprobe = false }: DoctorOptions) => {
      const checks = await checkHost(context, reprobe);
      context.print(json ? JSON.stringify(checks, null, 2) : describeChecks(checks));
      if (checks.some((check) => check.state === "missing")) process.exitCode = exitStatus.host;
    });
}

async function checkHost(
  { openBuildContext, signal }: CommandContext,
  reprobe: boolean,
): Promise<readonly HostCheck[]> {
  const tempFolder = await checkTempFolder();
  if (tempFolder.state === "missing") return [tempFolder]; // all other checks put something there
  const buildContext = await openBuildContext(defaultProfileName);
  const stateDir = buildContext.home.root;
  if (reprobe) await forgetFindings(stateDir);
  return [
    tempFolder,
    ...(await checkMachines({ kernelPath: await findKvmKernel(buildContext, false), stateDir, signal })),
    ...(await checkBuildHost(
      buildContext,
      await judgeMachines(buildContext, { preference: "auto", accelerator: "auto", fetch: false }),
    )),
  ];
}
