/**
 * Makes the sandbox's base in a machine that boots a cloud image (`livelab build --base`). Commands then run in the same locked
 * root with the same tools; the programs of the cloud image do not matter.
 */
import { join } from "node:path";
import { DisposableStack } from "../../../base/disposable-stack.js";
import type { Progress } from "../../../base/progress/progress.js";
import { waitAtMost } from "../../../base/wait-at-most.js";
import type { AcceleratorVerdict } from "../../../vm/accelerator/accelerator.js";
import { kvmFailureOf } from "../../../vm/accelerator/kvm-failure.js";
import { SshError } from "../../channel/ssh-connection.js";
import { Draft } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";
import type { LockSet } from "../../profile/lock-set.js";
import type { CloudImage } from "../../store/cloud-image.js";
import type { Store } from "../../store/store.js";
import type { RootBuilder } from "../root-builder.js";
import { makeRootIn, ROOT_FOLDER } from "../root-in-machine.js";
import { startCloudMachine } from "./cloud-machine.js";

export interface CloudRootBuilderOptions {
  readonly image: CloudImage;
  readonly home: LivelabHome;
  readonly store: Store;
  /** The lock set "base"; its files are in the store. */
  readonly set: LockSet;
  /** Folder with make-base.sh. */
  readonly scripts: string;
  readonly verdict: AcceleratorVerdict;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Wait from the loss of the connection to QEMU's exit, in milliseconds, to find out whether that is the cause. */
const END_LIMIT_MS = 2_000;

/**
 * Boots the cloud image and makes the root in it.
 * @throws VmError and SshError as startCloudMachine(); errors of makeRootIn()
 */
export async function openCloudRootBuilder(options: CloudRootBuilderOptions): Promise<RootBuilder> {
  const { image, home, store, set, scripts, verdict, progress, signal } = options;
  await using cleanup = new DisposableStack();
  const { path: workDir } = cleanup.use(await Draft.begin(join(home.machines, "cloud")));
  const { accelerator, timeScale } = verdict;
  const cloud = cleanup.use(
    await progress.step("boot of the cloud image", (step) =>
      startCloudMachine({ image, accelerator, timeScale, memoryMib: 2048, workDir, signal, step }),
    ),
  );
  const shell: RootBuilder["ssh"] = {
    exec: (command, settings) =>
      cloud.ssh.exec(command, settings).catch(async (error) => {
        if (!(error instanceof SshError)) throw error;
        const end = await waitAtMost(cloud.machine.exited, { limitMs: END_LIMIT_MS });
        throw (end && kvmFailureOf(end)) ?? error;
      }),
    forwardFrom: (port, accept) => cloud.ssh.forwardFrom(port, accept),
  };
  const where = image.path;
  const ssh = await progress.step("builder machine's root in the cloud image", async (step) => {
    await shell.exec(`mkdir -p ${ROOT_FOLDER}`, { signal });
    return makeRootIn(shell, { home, store, set, scripts, where, timeScale, signal }, step);
  });
  const owned = cleanup.move();
  return { ssh, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}
