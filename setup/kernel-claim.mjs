/**
 * Claims on files: flock(2) on a lock file, held by an open descriptor of this process.
 * The kernel closes the descriptor when the process ends, for any reason. A claim is therefore never stale, and no process
 * can take it from another. A claim is visible wherever the file is: in other PID, mount and network namespaces, and in
 * containers that share the folder.
 * Node has no flock(). The program flock (util-linux, busybox) locks a descriptor that it inherits; the lock belongs to the
 * open file, which this process keeps. Node opens files with O_CLOEXEC, so programs that it starts do not keep the claim.
 * This file is plain JavaScript, because set-up runs before anything is compiled. The builder uses it through
 * builder/home/owner.ts.
 * Sources: flock(2), flock(1), open(2), pid_namespaces(7), proc(5) "/proc/pid/stat".
 */
import { spawn } from "node:child_process";
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";

/** This host or this file system cannot lock files. */
export class ClaimError extends Error {
  name = "ClaimError";

  /**
   * @param {string} message
   * @param {string} hint what the user can do about it
   */
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/** A lock file that this process holds, and that contains its identity. */
export class Claim {
  #fd;

  /**
   * @param {string} path
   * @param {number} fd open and locked
   */
  constructor(path, fd) {
    this.path = path;
    this.#fd = fd;
  }

  /** Releases the claim and removes its file. A second call does nothing. */
  release() {
    // Remove the file while the lock is held: afterwards it may belong to another process.
    if (this.#fd !== undefined && namesFile(this.path, this.#fd)) unlinkSync(this.path);
    this.close();
  }

  /** Releases the claim and keeps its file. A second call does nothing. */
  close() {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/**
 * Claims a lock file if no other process holds it.
 * @param {string} path
 * @param {{ mustExist?: boolean }} options `mustExist`: does not create the file
 * @returns {Promise<Claim | undefined>} undefined if another process holds it, or if the file must exist and does not
 * @throws ClaimError; the file system's error if the file cannot be opened
 */
export function tryClaim(path, { mustExist = false } = {}) {
  return claim(path, { mustExist, wait: false });
}

/**
 * Claims a lock file as soon as no other process holds it.
 * @param {string} path
 * @param {{ signal?: AbortSignal }} options
 * @returns {Promise<Claim>}
 * @throws ClaimError; the file system's error if the file cannot be opened; the signal's reason
 */
export function waitForClaim(path, { signal } = {}) {
  return claim(path, { mustExist: false, wait: true, signal });
}

async function claim(path, { mustExist, wait, signal }) {
  for (;;) {
    const fd = openExisting(path, mustExist ? 0 : constants.O_CREAT);
    if (fd === undefined) return undefined;
    let kept = false;
    try {
      if (!(await lock(fd, path, { wait, signal }))) return undefined;
      // Its last holder may have removed the file in the meantime. A lock on a file without a name has no effect.
      if (!namesFile(path, fd)) continue;
      writeIdentity(fd);
      kept = true;
      return new Claim(path, fd);
    } finally {
      if (!kept) closeSync(fd);
    }
  }
}

/** Writes the identity if possible: it is only for messages, and a full disk must not stop `livelab gc`. */
function writeIdentity(fd) {
  try {
    ftruncateSync(fd, writeSync(fd, formatOwner(thisProcess()), 0));
  } catch (error) {
    if (error.code !== "ENOSPC" && error.code !== "EDQUOT") throw error;
  }
}

/**
 * Locks a file that the caller has opened, if no other process holds it. Closing the file releases the lock.
 * @param {number} fd
 * @param {string} path its name
 * @returns {Promise<boolean>} false if another process holds it, or if the file no longer has that name
 * @throws ClaimError
 */
export async function lockOpenFile(fd, path) {
  return (await lock(fd, path, {})) && namesFile(path, fd);
}

/**
 * Whether a process holds the claim on a file. Several processes may check at the same time; a tryClaim() during a check may
 * fail.
 * @param {string} path
 * @throws ClaimError
 */
export async function isClaimed(path) {
  const fd = openExisting(path, 0);
  if (fd === undefined) return false;
  try {
    return !(await lock(fd, path, { shared: true }));
  } finally {
    closeSync(fd);
  }
}

/** @returns {number | undefined} undefined if the file does not exist and `flags` do not create it */
function openExisting(path, flags) {
  try {
    // Open for writing too: NFS gives an exclusive lock only to a writable descriptor.
    return openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | flags, 0o644);
  } catch (error) {
    if (error.code === "ENOENT" && flags === 0) return undefined;
    throw error;
  }
}

/** Whether `path` is still the name of the open file. */
function namesFile(path, fd) {
  const named = statSync(path, { throwIfNoEntry: false });
  const open = fstatSync(fd);
  return named !== undefined && named.ino === open.ino && named.dev === open.dev;
}

/** flock's status for a lock that another process holds. busybox also uses it for errors, and then prints a message. */
const HELD = 1;
/** A message of flock itself, from util-linux or busybox. The dynamic linker prints others, e.g. about LD_PRELOAD. */
const FLOCK_MESSAGE = /^flock: /m;
/** Signals that a terminal or a supervisor sends to a whole process group. They are for this process, not for flock. */
const GROUP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** @returns {Promise<boolean>} false if another open file holds the lock and `wait` is not set */
async function lock(fd, path, { shared = false, wait = false, signal }) {
  for (;;) {
    signal?.throwIfAborted();
    const { status, killedBy, stderr } = await runFlock(fd, [...(wait ? [] : ["-n"]), shared ? "-s" : "-x"], signal);
    signal?.throwIfAborted();
    if (status === 0) return true;
    if (status === HELD && !FLOCK_MESSAGE.test(stderr) && !wait) return false;
    if (GROUP_SIGNALS.includes(killedBy)) continue;
    throw new ClaimError(
      `cannot lock ${path}: ${stderr || `flock ended with ${killedBy ?? `status ${status}`}`}`,
      "use a folder on a file system that supports flock(2): ext4, xfs, btrfs, tmpfs, or NFS 4",
    );
  }
}

/** Runs flock on a descriptor, which it inherits as descriptor 3. */
function runFlock(fd, options, signal) {
  return new Promise((resolve, reject) => {
    const child = spawn("flock", [...options, "3"], { stdio: ["ignore", "ignore", "pipe", fd] });
    const kill = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", kill, { once: true });
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.once("error", (error) => {
      signal?.removeEventListener("abort", kill);
      const hint =
        error.code === "ENOENT"
          ? "install util-linux, and check that flock is in PATH"
          : "allow more processes and open files (ulimit -u, ulimit -n)";
      reject(new ClaimError(`cannot start flock, which locks files: ${error.message}`, hint));
    });
    child.once("close", (status, killedBy) => {
      signal?.removeEventListener("abort", kill);
      resolve({ status, killedBy, stderr: stderr.trim() });
    });
  });
}

/**
 * Identity of a process. A PID alone has no meaning in another PID namespace or after a reboot, and the kernel reuses it.
 * Together with the start time, the namespace and the boot it identifies one process.
 * @typedef {object} Owner
 * @property {string} boot boot id of its kernel
 * @property {string} pidNamespace
 * @property {number} pid PID in that namespace
 * @property {string} startTime in clock ticks since boot
 * @property {string} host name of its host or container, for messages
 */

/** @returns {Owner} */
export function thisProcess() {
  return {
    boot: orEmpty(() => readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()),
    pidNamespace: orEmpty(() => readlinkSync("/proc/self/ns/pid").replace(/\D/g, "")),
    pid: process.pid,
    startTime: startTimeOf("self") ?? "",
    host: hostname(),
  };
}

/** The value from /proc, or an empty string if it cannot be read. */
function orEmpty(read) {
  try {
    return read();
  } catch {
    return "";
  }
}

/**
 * @param {number | "self"} pid
 * @returns {string | undefined} start time in clock ticks since boot; undefined if the process does not exist
 */
export function startTimeOf(pid) {
  try {
    // The command name in field 2 may contain spaces and parentheses, so count from the last ")".
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

const FORMAT = "livelab owner 1";

/** @param {Owner} owner */
export function formatOwner(owner) {
  return `${JSON.stringify({ format: FORMAT, ...owner })}\n`;
}

/**
 * The process that a lock file names: its current or its last holder.
 * @param {string} path
 * @returns {Owner | undefined} undefined if the file does not exist or livelab did not write it
 */
export function readOwner(path) {
  try {
    const { format, ...owner } = JSON.parse(readFileSync(path, "utf8"));
    return format === FORMAT ? owner : undefined;
  } catch {
    return undefined;
  }
}
