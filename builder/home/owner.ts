/**
 * Locks that one livelab process holds while it lives. Drafts (draft.ts) and the use of the home (home-use.ts) are built on
 * the same claim, which the kernel releases at the process's end (setup/kernel-claim.mjs).
 */
import {
  type Claim,
  ClaimError,
  isClaimed,
  lockOpenFile,
  type Owner,
  readOwner,
  startTimeOf,
  thisProcess,
  tryClaim,
  waitForClaim,
} from "#kernel-claim";
import { BuilderError } from "../builder-error.js";

export { type Claim, formatOwner, type Owner, readOwner, startTimeOf, thisProcess } from "#kernel-claim";

/** Converts a claim's error to a BuilderError with the path and a hint. */
function claimFailure(error: unknown, path: string): unknown {
  if (error instanceof ClaimError) {
    return new BuilderError("NO_LOCKS", error.message, { hint: error.hint, cause: error });
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== "EACCES" && code !== "EPERM" && code !== "EROFS" && code !== "ELOOP") return error;
  return new BuilderError("NOT_WRITABLE", `cannot lock ${path}: ${message}`, {
    hint: "check owner and mode of its folder (ls -ld), or set LIVELAB_HOME to a folder that you may write to",
    cause: error,
  });
}

/** Runs `work`, which claims `path`. @throws BuilderError NO_LOCKS, NOT_WRITABLE; other errors as they are */
async function inBuildersWords<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw claimFailure(error, path);
  }
}

/** Claims an existing lock file. @returns undefined while another process holds it, or if the file is gone */
export const claimExisting = (path: string): Promise<Claim | undefined> =>
  inBuildersWords(path, () => tryClaim(path, { mustExist: true }));

/** Whether a process holds the claim on a lock file. */
export const isHeld = (path: string): Promise<boolean> => inBuildersWords(path, () => isClaimed(path));

/** Locks an open file until it is closed. @returns false if another process has locked, moved or removed it */
export const lockFile = (fd: number, path: string): Promise<boolean> =>
  inBuildersWords(path, () => lockOpenFile(fd, path));

/** Where an owner is, seen from this process. */
function whereIs(owner: Owner | undefined): "here" | "another container" | "another host" | "unknown" {
  if (owner === undefined) return "unknown";
  const self = thisProcess();
  if (owner.boot !== self.boot) return "another host";
  if (owner.pidNamespace !== self.pidNamespace) return "another container";
  // A lock file names its last holder until the next holder has written its own name.
  return startTimeOf(owner.pid) === owner.startTime ? "here" : "unknown";
}

/** Returns "another livelab (pid 4711)", or its place if the pid has no meaning on this host or in this container. */
export function describeOwner(owner: Owner | undefined): string {
  const where = whereIs(owner);
  if (owner === undefined || where === "unknown") return "another livelab";
  if (where === "here") return `another livelab (pid ${owner.pid})`;
  const preposition = where === "another host" ? "on" : "in";
  return `another livelab ${preposition} ${where} (host name ${owner.host}, pid ${owner.pid} there)`;
}

/** Makes the error for a lock that another process holds. @param what the locked thing, for the message */
export function busy(what: string, owner: Owner | undefined): BuilderError {
  const ways = {
    here: `wait for it to end, or end it: kill ${owner?.pid}`,
    "another container": "wait for it to end, or end it in its container",
    "another host": "wait for it to end, or end it on its host",
    unknown: "wait for it to end",
  };
  return new BuilderError("BUSY", `${what} is in use by ${describeOwner(owner)}`, { hint: ways[whereIs(owner)] });
}

/**
 * Reads the process from a name "<name>.<pid>-<start time>", the form that livelab used until November 2026. Such a name
 * does not contain the PID namespace of the pid, so it is trusted only in the home, and only by gc.
 * @returns undefined for other names
 */
export function formerOwner(name: string): { readonly owner: Owner; readonly isRunning: boolean } | undefined {
  const [, pid, startTime] = /\.(\d+)-(\d+)$/.exec(name) ?? [];
  if (pid === undefined || startTime === undefined) return undefined;
  const owner = { ...thisProcess(), pid: Number(pid), startTime };
  return { owner, isRunning: startTimeOf(owner.pid) === startTime };
}

/** A lock file that this process holds. Its disposal, or the end of the process, releases it. */
export class OwnerLock implements AsyncDisposable {
  readonly #claim: Claim;

  private constructor(claim: Claim) {
    this.#claim = claim;
  }

  /**
   * Takes a free lock.
   * @param what the locked thing, for the message
   * @throws BuilderError BUSY if another process holds it; NO_LOCKS, NOT_WRITABLE
   */
  static async take(path: string, what: string): Promise<OwnerLock> {
    const claim = await inBuildersWords(path, () => tryClaim(path));
    if (claim === undefined) throw busy(what, readOwner(path));
    return new OwnerLock(claim);
  }

  /**
   * Takes a lock, and waits for another holder to release it.
   * @param onWait called once with the holder, before the wait
   * @throws BuilderError NO_LOCKS, NOT_WRITABLE; the signal's reason
   */
  static async wait(
    path: string,
    onWait: (owner: Owner | undefined) => void,
    signal?: AbortSignal,
  ): Promise<OwnerLock> {
    return inBuildersWords(path, async () => {
      let claim = await tryClaim(path);
      if (claim === undefined) {
        onWait(readOwner(path));
        claim = await waitForClaim(path, { signal });
      }
      return new OwnerLock(claim);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#claim.release();
  }
}
