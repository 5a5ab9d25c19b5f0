/**
 * The root VM: a temporary VM in which the builder VM's root is made on a host that refuses the sandbox. It needs nothing
 * from the host but QEMU: it runs the locked kernel and an initramfs that Node writes from locked packages
 * (root-vm-initramfs.ts). Its files are in memory, and in a swap file of the host when that is full.
 */
import { join } from "node:path";
import { DisposableStack } from "../../../base/disposable-stack.js";
import type { Progress } from "../../../base/progress/progress.js";
import { TempDir } from "../../../base/temp-dir.js";
import type { AcceleratorVerdict } from "../../../vm/accelerator/accelerator.js";
import { createRawDisk } from "../../../vm/disk-image.js";
import { BuilderError } from "../../builder-error.js";
import type { LivelabHome } from "../../home/home.js";
import type { Lock } from "../../profile/lock.js";
import type { Store } from "../../store/store.js";
import type { RootBuilder } from "../root-builder.js";
import { makeRootIn, ROOT_FOLDER } from "../root-in-machine.js";
import { Guest, notStarted } from "./guest.js";
import { writeRootVmFiles } from "./root-vm-initramfs.js";
import { guestSpec, makeVmKeys } from "./vm-spec.js";

export interface RootVmOptions {
  readonly home: LivelabHome;
  /** Has the files of the lock sets "base" and "vm". */
  readonly store: Store;
  readonly lock: Lock;
  /** Folder that holds package.json. */
  readonly projectRoot: string;
  readonly verdict: AcceleratorVerdict;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const TITLE = "the root VM";
/** Size of the swap disk, and limit of the file system in memory, in bytes. Both take only the space of what is written. */
const SCRATCH_BYTES = 8 * 2 ** 30;
const SET_UP = [
  "modprobe virtio_blk",
  "mkswap /dev/vda",
  "swapon /dev/vda",
  `mkdir -p ${ROOT_FOLDER}`,
  `mount -t tmpfs -o mode=755,size=${SCRATCH_BYTES} tmpfs ${ROOT_FOLDER}`,
].join(" && ");

/**
 * Boots the machine and makes the sandbox's base in it.
 * @throws BuilderError MACHINE_DIED, HOST_DISK_FULL, BASE_FAILED, OVERDUE; InputError for a damaged package; VmError as
 * launchMachine()
 */
export async function openRootVm(options: RootVmOptions): Promise<RootBuilder> {
  const { home, store, lock, projectRoot, verdict, progress, signal } = options;
  await using cleanup = new DisposableStack();
  const guest = cleanup.use(await progress.step("boot of the root VM", () => bootRootVm(options)));
  const hint = `free some space in ${home.root} (livelab gc), then build again`;
  const shell: RootBuilder["ssh"] = {
    exec: (command, settings) =>
      guest.ssh.exec(command, settings).catch(async (error) => {
        signal.throwIfAborted();
        throw await guest.explain(error, hint);
      }),
    forwardFrom: (port, accept) => guest.ssh.forwardFrom(port, accept),
  };
  const { status, stderr } = await shell.exec(SET_UP, { signal });
  if (status !== 0) throw new BuilderError("BASE_FAILED", `${TITLE} has no scratch space: ${stderr.trim()}`);
  const ssh = await progress.step("builder machine's root in the root VM", (step) =>
    makeRootIn(
      shell,
      {
        home,
        store,
        set: lock.set("base"),
        scripts: join(projectRoot, "builder/machines"),
        where: TITLE,
        timeScale: verdict.timeScale,
        signal,
      },
      step,
    ),
  );
  const owned = cleanup.move();
  return { ssh, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

async function bootRootVm(options: RootVmOptions): Promise<Guest> {
  await using keys = await TempDir.create("keys");
  await makeVmKeys(keys.path);
  const layOut = async (workDir: string, socket: string) => {
    const files = await writeRootVmFiles(options, workDir);
    const swap = join(workDir, "swap.raw");
    await createRawDisk(swap, SCRATCH_BYTES);
    const { accelerator } = options.verdict;
    const disks = [{ path: swap, format: "raw" }] as const;
    return guestSpec({ name: "root", ...files, disks, accelerator }, { keys: keys.path, socket });
  };
  try {
    return await Guest.start(options, { title: TITLE, layOut, keys: keys.path });
  } catch (error) {
    options.signal.throwIfAborted();
    throw await notStarted(error, options.home, TITLE);
  }
}
