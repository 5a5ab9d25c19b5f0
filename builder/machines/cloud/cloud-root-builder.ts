/**
 * Makes the sandbox's base in a machine that boots a cloud image, for hosts that refuse namespaces. Commands then run in the
 * same locked root with the same tools; the programs of the cloud image do not matter. make-base.sh makes the root.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { quoteWord } from "../../../base/command-line.js";
import { DisposableStack } from "../../../base/disposable-stack.js";
import type { Progress } from "../../../base/progress/progress.js";
import { limitSignal, waitAtMost } from "../../../base/wait-at-most.js";
import type { AcceleratorVerdict } from "../../../vm/accelerator/accelerator.js";
import { kvmFailureOf } from "../../../vm/accelerator/kvm-failure.js";
import { BuilderError, overdue } from "../../builder-error.js";
import { SshError } from "../../channel/ssh-connection.js";
import { Draft } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";
import { createTar } from "../../home/tar-stream.js";
import type { LockSet } from "../../profile/lock-set.js";
import type { CloudImage } from "../../store/cloud-image.js";
import type { Store } from "../../store/store.js";
import { listDebs } from "../base.js";
import type { RootBuilder } from "../root-builder.js";
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

/** Time limit for making the root, in milliseconds with KVM; emulated it took 4 min at a scale of 6 (measured). */
const ROOT_LIMIT_MS = 180_000;
/** Wait from the loss of the connection to QEMU's exit, in milliseconds, to find out whether that is the cause. */
const END_LIMIT_MS = 2_000;
/** Folder in the guest, on the image's own root, which has grown to the size of the disk. */
const FOLDER = "/var/lib/livelab";

/** Runs a command line in the new root, with its own mounts and the kernel's file systems. */
const ENTER = `cd ${FOLDER}/root; for fs in proc sys dev; do mount --rbind /$fs $fs; done; exec chroot . /bin/sh -c "$1"`;

/**
 * Boots the cloud image and makes the root in it.
 * @throws VmError and SshError as startCloudMachine(); BuilderError BASE_FAILED
 */
export async function openCloudRootBuilder(options: CloudRootBuilderOptions): Promise<RootBuilder> {
  const { image, home, store, set, scripts, verdict, progress, signal } = options;
  await using cleanup = new DisposableStack();
  const { path: workDir } = cleanup.use(await Draft.begin(join(home.machines, "cloud")));
  const { ssh, machine } = cleanup.use(
    await progress.step("boot of the cloud image", (step) =>
      startCloudMachine({
        image,
        accelerator: verdict.accelerator,
        timeScale: verdict.timeScale,
        memoryMib: 2048,
        workDir,
        signal,
        step,
      }),
    ),
  );
  await progress.step("builder machine's root in the cloud image", async (step) => {
    const limitMs = ROOT_LIMIT_MS * verdict.timeScale;
    const limit = limitSignal({ limitMs, signal, onLimit: overdue(`making the root in ${image.path}`, limitMs) });
    const run = async (command: string, stdin: Readable | string = ""): Promise<void> => {
      const { status, stdout, stderr } = await ssh.exec(command, { stdin, signal: limit }).catch(async (error) => {
        if (!(error instanceof SshError)) throw error;
        const end = await waitAtMost(machine.exited, { limitMs: END_LIMIT_MS });
        throw (end && kvmFailureOf(end)) ?? error;
      });
      if (status === 0) return;
      const said = `${stdout.toString()}${stderr}`.trimEnd().split("\n").slice(-20).join("\n");
      throw new BuilderError("BASE_FAILED", `making the root in ${image.path} failed, status ${status}:\n${said}`);
    };
    step.status(`${set.packages.length} packages`);
    const files = set.packages.map((deb) => store.pathOf(deb.digest).slice(home.store.length + 1));
    await run(
      `mkdir -p ${FOLDER}/store ${FOLDER}/root && tar -x -f - -C ${FOLDER}/store`,
      createTar(home.store, files, 0),
    );
    await run(`cat >${FOLDER}/list`, await listDebs(set, store, home.store));
    await run(`cat >${FOLDER}/make-base.sh`, await readFile(join(scripts, "make-base.sh"), "utf8"));
    const environment = `TARGET=${FOLDER}/root STORE=${FOLDER}/store LIST=${FOLDER}/list`;
    step.status("unpacking and configuring the packages");
    await run(`${environment} unshare --mount --propagation private sh ${FOLDER}/make-base.sh 2>&1`);
  });
  const owned = cleanup.move();
  return {
    ssh: {
      exec: (command, settings) =>
        ssh.exec(
          `unshare --mount --propagation private sh -euc ${quoteWord(ENTER)} sh ${quoteWord(command)}`,
          settings,
        ),
      forwardFrom: (port, accept) => ssh.forwardFrom(port, accept),
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}
