/** `livelab doctor` */
import { describeChecks, failedCheck, type HostCheck } from "../base/host-check.js";
import { checkTempFolder } from "../base/temp-dir-check.js";
import { toolFolders } from "../base/tools.js";
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
    .summary("check what this host can do, and show how to fix what it cannot")
    .option("--json", "print the checks as JSON")
    .option("--reprobe", "test again whether KVM works, instead of using the stored result")
    .action(async ({ json = false, reprobe = false }: DoctorOptions) => {
      const checks = await checkHost(context, reprobe);
      context.print(json ? JSON.stringify(checks, null, 2) : describeChecks(checks));
      if (checks.some((check) => check.state === "missing")) process.exitCode = exitStatus.host;
    });
}

async function checkHost(context: CommandContext, reprobe: boolean): Promise<readonly HostCheck[]> {
  const { openBuildContext, signal } = context;
  const tempFolder = await checkTempFolder();
  if (tempFolder.state === "missing") return [tempFolder]; // all other checks need it
  const buildContext = await openBuildContext(defaultProfileName);
  const stateDir = buildContext.home.root;
  if (reprobe) await forgetFindings(stateDir);
  const tools = await checkTools(context);
  if (tools.state === "missing") return [tempFolder, tools]; // the others would check programs that livelab does not use
  return [
    tempFolder,
    tools,
    ...(await checkMachines({ kernelPath: await findKvmKernel(buildContext, false), stateDir, signal })),
    ...(await checkBuildHost(
      buildContext,
      await judgeMachines(buildContext, { preference: "auto", accelerator: "auto", fetch: false }),
    )),
  ];
}

/** Makes livelab's own programs ready, because the other checks use them. */
async function checkTools({ readyTools, signal }: CommandContext): Promise<HostCheck> {
  const name = "tools";
  try {
    await readyTools();
    return { name, state: "ok", detail: toolFolders().join(", ") };
  } catch (error) {
    signal.throwIfAborted();
    return failedCheck(name, error);
  }
}
