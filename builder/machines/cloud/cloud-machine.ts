/**
 * A machine that boots a cloud image with the image's own boot loader and serves SSH on a virtio-serial port. It has no
 * network device. The image is never changed: an overlay, removed with the machine, receives the guest's writes.
 * cloud-seed.ts configures cloud-init, cloud-console.ts judges the console, builder/store/cloud-image.ts downloads the image.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DisposableStack } from "../../../base/disposable-stack.js";
import type { Step } from "../../../base/progress/progress.js";
import { findProjectRoot } from "../../../base/project-root.js";
import { TempDir } from "../../../base/temp-dir.js";
import { waitAtMost } from "../../../base/wait-at-most.js";
import { kvmFailureOf } from "../../../vm/accelerator/kvm-failure.js";
import { createOverlay } from "../../../vm/disk-image.js";
import { launchMachine, type RunningMachine } from "../../../vm/machine.js";
import type { Accelerator, DiskSpec } from "../../../vm/machine-spec.js";
import { describeExit } from "../../../vm/qemu/exit-report.js";
import { VmError } from "../../../vm/vm-error.js";
import { openGuestPort } from "../../channel/guest-port.js";
import { generateSshKeyPair, SshConnection } from "../../channel/ssh-connection.js";
import { consoleText, judgeConsole, lastLines } from "./cloud-console.js";
import { cloudSeedFiles, SEED_LABEL } from "./cloud-seed.js";

export interface CloudMachineOptions {
  readonly image: Pick<DiskSpec, "path" | "format">;
  readonly accelerator: Accelerator;
  /** Factor for all time limits, from the AcceleratorVerdict. */
  readonly timeScale: number;
  /** Guest memory in MiB. @default 1024 */
  readonly memoryMib?: number;
  /** Number of virtual CPUs. @default 2 */
  readonly cpus?: number;
  /** Size of the disk in bytes. The guest's root grows to it. @default 10 GiB */
  readonly diskBytes?: number;
  /** Folder for argv.txt, qemu.log and ttyS0.log, which remain, and for the overlay, which is removed. */
  readonly workDir: string;
  readonly signal?: AbortSignal;
  /** Called with one line for each step of the machine's life. @default no log */
  readonly log?: (line: string) => void;
  /** Shows the console's last line while the guest boots. @default no progress output */
  readonly step?: Step;
}

export interface CloudMachine extends AsyncDisposable {
  /** A connection as root. */
  readonly ssh: SshConnection;
  readonly machine: RunningMachine;
}

/** Time limit from start to SSH, in milliseconds before scaling; emulated it took 50 s at a scale of 6 (measured). */
const READY_LIMIT_MS = 60_000;
/** Time limit from the login prompt to SSH, in milliseconds before scaling. SSH starts in the first half of the boot. */
const LOGIN_GRACE_MS = 10_000;
const HANDSHAKE_LIMIT_MS = 10_000;
/** Interval of keepalives, in milliseconds. After 24 intervals without data the guest counts as hung. */
const KEEPALIVE_MS = 5_000;
/** Wait from the closing of the port to QEMU's exit, in milliseconds. An earlier stop() would hide the reason of the exit. */
const END_LIMIT_MS = 2_000;
const CONSOLE_POLL_MS = 500;
/** Number of console lines that an error quotes. */
const QUOTED_LINES = 15;
const GIB = 1024 ** 3;

/**
 * Starts the machine and waits until SSH works.
 * @throws VmError IMAGE_UNFIT if the image does not boot or has no cloud-init, GUEST_SILENT at the limit, EXITED_EARLY if the
 * machine ends, all with the console's last lines; KVM_FAILED if KVM ended it; errors of createOverlay() and launchMachine();
 * SshError
 */
export async function startCloudMachine(options: CloudMachineOptions): Promise<CloudMachine> {
  const { image, accelerator, timeScale, memoryMib = 1024, cpus = 2, diskBytes = 10 * GIB, workDir, signal } = options;
  await mkdir(workDir, { recursive: true });
  await using cleanup = new DisposableStack();
  // Two folders: the overlay needs disk space, and the socket needs a short path.
  const disks = cleanup.use(await TempDir.create("cloud", workDir));
  const seed = cleanup.use(await TempDir.createForSockets("cloud"));
  const keys = { host: generateSshKeyPair(), client: generateSshKeyPair() };
  const seedFolder = join(seed.path, "seed");
  await mkdir(seedFolder);
  const files = cloudSeedFiles({
    serveScript: await readFile(join(findProjectRoot(), "builder/channel/serve-ssh.sh"), "utf8"),
    hostKey: keys.host.privateKey,
    authorizedKey: keys.client.publicKey,
  });
  for (const [name, text] of files) await writeFile(join(seedFolder, name), text);
  const overlay = join(disks.path, "overlay.qcow2");
  await createOverlay(overlay, { backing: image.path, backingFormat: image.format, bytes: diskBytes, signal });

  const socketPath = join(seed.path, "ssh");
  const machine = cleanup.use(
    await launchMachine(
      {
        name: "cloud",
        accelerator,
        cpus,
        memoryMib,
        uuid: "6c697665-6c61-4262-8163-6c6f75640000", // any value: the guest's data that depends on it is removed with the overlay
        boot: { kind: "disk" },
        disks: [
          { path: overlay, format: "qcow2" },
          { format: "folder", path: seedFolder, label: SEED_LABEL },
        ],
        nics: [],
        serial: ["null"],
        ports: [{ name: "org.livelab.ssh", socketPath }],
      },
      { workDir, signal, log: options.log },
    ),
  );
  await machine.resume();
  const stream = await whenReady(machine, socketPath, options);
  const ssh = cleanup.use(
    await SshConnection.connect(stream, {
      username: "root",
      privateKey: keys.client.privateKey,
      hostKey: keys.host.publicKey,
      handshakeTimeoutMs: HANDSHAKE_LIMIT_MS * timeScale,
      keepaliveMs: KEEPALIVE_MS,
      ...(signal === undefined ? {} : { signal }),
    }),
  );
  const owned = cleanup.move();
  return { ssh, machine, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

/** Waits for the guest's port. Fails if the machine ends, or if the console shows that the boot cannot finish. */
async function whenReady(
  machine: RunningMachine,
  socketPath: string,
  options: CloudMachineOptions,
): Promise<Awaited<ReturnType<typeof openGuestPort>>> {
  const { image, timeScale, workDir, signal } = options;
  const consolePath = join(workDir, "ttyS0.log");
  const settled = new AbortController();
  const giveUp = signal === undefined ? settled.signal : AbortSignal.any([settled.signal, signal]);
  const limitMs = READY_LIMIT_MS * timeScale;
  try {
    return await Promise.race([
      openGuestPort(socketPath, { limitMs, signal: giveUp }),
      machine.exited.then(({ reason }) => {
        throw new VmError("PORT_CLOSED", reason);
      }),
      watchConsole(consolePath, options, giveUp),
    ]);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof VmError)) throw error;
    // The port closes before the exit of the machine is known, and gives no reason.
    const ended = error.code === "PORT_CLOSED";
    if (ended) await waitAtMost(machine.exited, { limitMs: END_LIMIT_MS });
    const exit = ended ? await machine.stop() : undefined;
    const byKvm = exit && kvmFailureOf(exit);
    if (byKvm !== undefined) throw byKvm;
    const why = exit ? `${describeExit(exit)} before SSH worked` : error.message;
    const tail = lastLines(consoleText(await readFile(consolePath)), QUOTED_LINES).map((line) => `\n  | ${line}`);
    throw new VmError(ended ? "EXITED_EARLY" : error.code, `${image.path}: ${why}; its console:${tail.join("")}`, {
      hint: error.hint ?? `read the whole console in ${consolePath}`,
      cause: error,
    });
  } finally {
    settled.abort();
  }
}

/** Polls the console. @throws VmError IMAGE_UNFIT; the signal's reason */
async function watchConsole(
  path: string,
  { timeScale, step }: CloudMachineOptions,
  signal: AbortSignal,
): Promise<never> {
  let loginSince: number | undefined;
  for (;;) {
    const text = consoleText(await readFile(path));
    const [line] = lastLines(text, 1);
    if (line !== undefined) step?.status(line);
    const verdict = judgeConsole(text);
    if (verdict.kind === "dead") throw unfit(verdict.reason);
    if (verdict.kind === "login") {
      loginSince ??= performance.now();
      if (performance.now() - loginSince > LOGIN_GRACE_MS * timeScale)
        throw unfit(
          `it reached its login prompt, but cloud-init ${verdict.cloudInit ? "did not start SSH" : "did not run"}`,
        );
    }
    await sleep(CONSOLE_POLL_MS, undefined, { signal });
  }
}

const unfit = (reason: string): VmError =>
  new VmError("IMAGE_UNFIT", reason, {
    hint: "use a cloud image of Debian (genericcloud), with cloud-init 20 or newer and its NoCloud data source",
  });
