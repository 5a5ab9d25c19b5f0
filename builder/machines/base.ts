/**
 * The base of the sandbox: the root file system that its machines start from. make-base.sh makes it from the lock set "base"
 * alone. Its key is a digest of that set and of the script. A finished base is never changed.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "../../base/is-there.js";
import { isDiskFullText } from "../../base/no-room.js";
import type { Progress } from "../../base/progress/progress.js";
import { limitSignal } from "../../base/wait-at-most.js";
import { BuilderError, overdue } from "../builder-error.js";
import { Draft } from "../home/draft.js";
import type { LivelabHome } from "../home/home.js";
import { claimWork } from "../home/made-once.js";
import { digestOf, formatDigest } from "../profile/digest.js";
import { describeLockedFile } from "../profile/lock.js";
import type { LockSet } from "../profile/lock-set.js";
import type { Store } from "../store/store.js";
import { findDataMember } from "./deb-archive.js";
import { namespaceError, startInNamespaces } from "./sandbox/namespaces.js";

export interface BaseRequest {
  readonly home: LivelabHome;
  readonly store: Store;
  /** The lock set "base"; its files are in the store. */
  readonly set: LockSet;
  /** Folder with make-base.sh. */
  readonly scripts: string;
  readonly asRoot: boolean;
  readonly progress: Progress;
  readonly signal?: AbortSignal;
}

/** Key of a lock set's base. File owners and overlayfs attributes differ in a user namespace, so `asRoot` is part of it. */
export async function baseKey(set: LockSet, scripts: string, asRoot: boolean): Promise<string> {
  return digestOf({
    set: formatDigest(set.digest),
    script: await readFile(join(scripts, "make-base.sh"), "utf8"),
    ids: asRoot ? "root" : "user namespace",
  });
}

/** The list that make-base.sh reads: for each package a line with its path in the store and the position of its file tree. */
export async function listDebs(set: LockSet, store: Store, storeFolder: string): Promise<string> {
  const lines: string[] = [];
  for (const deb of set.packages) {
    const path = store.pathOf(deb.digest);
    const { offset, size } = await findDataMember(path, describeLockedFile(deb));
    lines.push(`${path.slice(storeFolder.length + 1)} ${offset} ${size}\n`);
  }
  return lines.join("");
}

/** Time limit for making a base, in milliseconds; it took 16 s (measured). */
const LIMIT_MS = 10 * 60_000;

/**
 * Makes the base unless it exists.
 * @returns folder of its root
 * @throws BuilderError NO_NAMESPACES, HOST_DISK_FULL, BASE_FAILED, OVERDUE
 */
export async function ensureBase(request: BaseRequest): Promise<string> {
  const { home, store, set, asRoot, signal } = request;
  const key = await baseKey(set, request.scripts, asRoot);
  const folder = join(home.bases, key);
  const root = join(folder, "root");
  if (await isThere(root)) return root;

  await request.progress.step("builder machine's root", async (step) => {
    await using _making = await claimWork(home, key, step, signal);
    if (await isThere(root)) return;
    await using draft = await Draft.begin(folder, asRoot);
    const part = draft.path;
    await mkdir(join(part, "root"), { recursive: true });
    await writeFile(join(part, "list"), await listDebs(set, store, home.store));
    step.status(`${set.packages.length} packages`);
    const limit = limitSignal({
      limitMs: LIMIT_MS,
      signal,
      onLimit: overdue("making the builder machine's root", LIMIT_MS),
    });
    await using script = await startInNamespaces(join(request.scripts, "make-base.sh"), {
      asRoot,
      env: { TARGET: join(part, "root"), STORE: home.store, LIST: join(part, "list") },
      signal: limit,
    });
    script.process.stdin?.end();
    const log: Buffer[] = [];
    script.process.stdout?.on("data", (chunk: Buffer) => {
      log.push(chunk);
      step.status(chunk.toString("utf8").trimEnd().split("\n").at(-1) ?? "");
    });
    const { status, stderr, cause } = await script.exited;
    limit.throwIfAborted();
    if (status !== 0) {
      const output = Buffer.concat(log).toString("utf8");
      if (isDiskFullText(stderr + output)) {
        throw new BuilderError("HOST_DISK_FULL", `no space left for the builder machine's root in ${home.bases}`, {
          hint: "free about 1 GiB there (livelab gc), or set LIVELAB_HOME to a larger disk; then build again",
        });
      }
      if (output === "") throw namespaceError("cannot start making the builder machine's root", stderr, cause);
      throw new BuilderError(
        "BASE_FAILED",
        `making the builder machine's root failed, status ${status}:\n${output.split("\n").slice(-20).join("\n")}${stderr.split("\n").slice(-20).join("\n")}`,
      );
    }
    await draft.commit();
  });
  return root;
}
