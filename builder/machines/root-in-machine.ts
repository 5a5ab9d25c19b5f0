/**
 * Makes the sandbox's base inside a machine, for hosts that refuse namespaces. make-base.sh makes it; of the machine's own
 * programs it needs only a shell, tar, the decompressors and util-linux. Further commands run in the new root.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { quoteWord } from "../../base/command-line.js";
import type { Step } from "../../base/progress/progress.js";
import { limitSignal } from "../../base/wait-at-most.js";
import { BuilderError, overdue } from "../builder-error.js";
import type { LivelabHome } from "../home/home.js";
import { createTar } from "../home/tar-stream.js";
import type { LockSet } from "../profile/lock-set.js";
import type { Store } from "../store/store.js";
import { listDebs } from "./base.js";
import type { RootBuilder } from "./root-builder.js";

type Shell = RootBuilder["ssh"];

export interface RootRequest {
  readonly home: LivelabHome;
  readonly store: Store;
  /** The lock set "base"; its files are in the store. */
  readonly set: LockSet;
  /** Folder with make-base.sh. */
  readonly scripts: string;
  /** The machine in messages. */
  readonly where: string;
  /** Factor for the time limit. */
  readonly timeScale: number;
  readonly signal: AbortSignal;
}

/** Time limit in milliseconds with KVM; emulated it took 5 min to 9 min at a scale of 6, beside other work (measured). */
const LIMIT_MS = 300_000;
/** Folder in the machine for the packages and the root. It must exist, with 600 MB of space. */
export const ROOT_FOLDER = "/var/lib/livelab";

/** Runs a command line in the new root, with its own mounts and the kernel's file systems. */
const ENTER = `cd ${ROOT_FOLDER}/root; for fs in proc sys dev; do mount --rbind /$fs $fs; done; exec chroot . /bin/sh -c "$1"`;
const OWN_MOUNTS = "unshare --mount --propagation private sh";

/** @returns the machine's shell in the new root @throws BuilderError BASE_FAILED, OVERDUE; errors of `shell` */
export async function makeRootIn(shell: Shell, request: RootRequest, step: Step): Promise<Shell> {
  const { home, store, set, scripts, where, signal } = request;
  const limitMs = LIMIT_MS * request.timeScale;
  const limit = limitSignal({ limitMs, signal, onLimit: overdue(`making the root in ${where}`, limitMs) });
  const run = async (command: string, stdin: Readable | string = ""): Promise<void> => {
    const { status, stdout, stderr } = await shell.exec(command, { stdin, signal: limit });
    if (status === 0) return;
    const said = `${stdout.toString()}${stderr}`.trimEnd().split("\n").slice(-20).join("\n");
    throw new BuilderError("BASE_FAILED", `making the root in ${where} failed, status ${status}:\n${said}`);
  };
  step.status(`${set.packages.length} packages`);
  const files = set.packages.map((deb) => store.pathOf(deb.digest).slice(home.store.length + 1));
  await run(`cd ${ROOT_FOLDER} && mkdir store root && tar -x -f - -C store`, createTar(home.store, files, 0));
  await run(`cat >${ROOT_FOLDER}/list`, await listDebs(set, store, home.store));
  await run(`cat >${ROOT_FOLDER}/make-base.sh`, await readFile(join(scripts, "make-base.sh"), "utf8"));
  const environment = `TARGET=${ROOT_FOLDER}/root STORE=${ROOT_FOLDER}/store LIST=${ROOT_FOLDER}/list`;
  step.status("unpacking and configuring the packages");
  await run(`${environment} ${OWN_MOUNTS} ${ROOT_FOLDER}/make-base.sh 2>&1`);
  return {
    exec: (command, settings) =>
      shell.exec(`${OWN_MOUNTS} -euc ${quoteWord(ENTER)} sh ${quoteWord(command)}`, settings),
    forwardFrom: (port, accept) => shell.forwardFrom(port, accept),
  };
}
