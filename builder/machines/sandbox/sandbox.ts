/**
 * The sandbox builder machine (DESIGN D5): Linux namespaces, a base as root, one mounted release, and SSH on a pipe.
 * Its only network device is the loopback. It reaches the gateway through a port that SSH forwards.
 * Sources: namespaces(7), sshd(8) "-i", Documentation/filesystems/overlayfs.rst.
 */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { DisposableStack } from "../../../base/disposable-stack.js";
import { generateSshKeyPair, SshConnection } from "../../channel/ssh-connection.js";
import { SSHD_CONFIG } from "../../channel/sshd-config.js";
import { Draft } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";
import { namespaceError, startInNamespaces } from "./namespaces.js";
import { layOutOverlay } from "./overlay.js";

/** The release that a machine shows at /data/debian-live/<stamp>. */
export interface ReleaseView {
  readonly stamp: string;
  /** Folders of the layers below, newest first; may be empty. */
  readonly lower: readonly string[];
  /** Folders that receive the writes, on one file system (overlayfs). @default writes are discarded */
  readonly writable?: { readonly upper: string; readonly work: string };
}

export interface SandboxOptions {
  readonly home: LivelabHome;
  /** Folder of the base root; never written to. */
  readonly base: string;
  readonly release: ReleaseView;
  /** Folder with sandbox-init.sh and sandbox-serve.sh. */
  readonly scripts: string;
  readonly asRoot: boolean;
  readonly signal?: AbortSignal;
}

export class Sandbox implements AsyncDisposable {
  readonly ssh: SshConnection;
  /** Folders of the release's layers on the host, the topmost first. The first receives the writes. */
  readonly layers: readonly string[];
  readonly #resources: DisposableStack;

  private constructor(ssh: SshConnection, layers: readonly string[], resources: DisposableStack) {
    this.ssh = ssh;
    this.layers = layers;
    this.#resources = resources;
  }

  /** Starts a machine. @throws BuilderError NO_NAMESPACES with the output of unshare, mount or sshd */
  static async start(options: SandboxOptions): Promise<Sandbox> {
    const { home, release, asRoot, signal } = options;
    await using cleanup = new DisposableStack();
    const { path: machine } = cleanup.use(await Draft.begin(join(home.machines, "sandbox"), asRoot));
    for (const folder of ["root", "upper", "work", "run", "discarded", "discarded-work", "empty"]) {
      await mkdir(join(machine, folder), { recursive: true });
    }
    const within = (folder: string): string => join(machine, folder);
    await layOutOverlay(
      within("root-overlay"),
      { lower: [options.base], upper: within("upper"), work: within("work") },
      asRoot,
    );
    const writable = release.writable ?? { upper: within("discarded"), work: within("discarded-work") };
    await layOutOverlay(
      within("release-overlay"),
      { lower: [...release.lower, within("empty")], upper: writable.upper, work: writable.work },
      asRoot,
    );

    const host = generateSshKeyPair();
    const client = generateSshKeyPair();
    await writeFile(join(machine, "run/host_key"), host.privateKey, { mode: 0o600 });
    await writeFile(join(machine, "run/authorized_keys"), `${client.publicKey}\n`);
    await writeFile(join(machine, "run/sshd_config"), SSHD_CONFIG);
    await copyFile(join(options.scripts, "sandbox/sandbox-serve.sh"), join(machine, "run/serve.sh"));

    const started = cleanup.use(
      await startInNamespaces(join(options.scripts, "sandbox/sandbox-init.sh"), {
        asRoot,
        ...(signal === undefined ? {} : { signal }),
        env: { MACHINE: machine, STAMP: release.stamp },
      }),
    );
    const { stdin, stdout } = started.process;
    if (stdin === null || stdout === null) throw new Error("the sandbox was spawned without pipes");
    try {
      const ssh = cleanup.use(
        await SshConnection.connect(Duplex.from({ readable: stdout, writable: stdin }), {
          username: "root",
          privateKey: client.privateKey,
          hostKey: host.publicKey,
          ...(signal === undefined ? {} : { signal }),
        }),
      );
      return new Sandbox(ssh, [writable.upper, ...release.lower], cleanup.move());
    } catch (error) {
      signal?.throwIfAborted();
      // The shell's messages explain more than a failed handshake.
      started.process.kill("SIGKILL");
      const { stderr, cause } = await started.exited;
      if (stderr.trim() !== "" || cause !== undefined) throw namespaceError("the sandbox did not start", stderr, cause);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }
}
