/**
 * Claims on files that the kernel releases: flock(2) on a lock file, held by an open descriptor of this process.
 * The kernel closes the descriptor when the process ends, however it ends, so no claim is ever stale and no process takes
 * one away from another. A claim is visible wherever the file is: in other PID, mount and network namespaces, and in
 * containers that share the folder.
 * Node has no flock(). The program of that name (util-linux, busybox) locks a descriptor that it inherits; the lock belongs
 * to the open file, which this process keeps. Node opens files O_CLOEXEC: programs that it starts do not keep the claim.
 * Plain JavaScript, because set-up runs before anything is compiled; builder/home/owner.ts is the builder's way in.
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
   * @param {string} hint what the reader can do about it
   */
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/** A lock file that this process holds, with its identity in it. */
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

  /** Gives the claim back and removes its file. A second call does nothing. */
  release() {
    // While the lock is held: afterwards the file may be another's.
    if (this.#fd !== undefined && namesFile(this.path, this.#fd)) unlinkSync(this.path);
    this.close();
  }

  /** Gives the claim back and leaves its file. A second call does nothing. */
  close() {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/**
 * Claims a lock file, or does not while another holds it.
 * @param {string} path
 * @param {{ mustExist?: boolean }} options `mustExist`: makes no file
 * @returns {Promise<Claim | undefined>}
 * @throws ClaimError; the file system's error when the file cannot be opened
 */
export function tryClaim(path, { mustExist = false } = {}) {
  return claim(path, { mustExist, wait: false });
}

/**
 * Claims a lock file as soon as nobody else holds it.
 * @param {string} path
 * @param {{ signal?: AbortSignal }} options
 * @returns {Promise<Claim>}
 * @throws ClaimError; the file system's error when the file cannot be opened; the signal's reason
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
      // Its last holder may have removed it meanwhile: a lock on a file without a name keeps nobody out.
      if (!namesFile(path, fd)) continue;
      writeIdentity(fd);
      kept = true;
      return new Claim(path, fd);
    } finally {
      if (!kept) closeSync(fd);
    }
  }
}

/** Best effort: it serves messages, and a full disk must not keep `livelab gc` from its work. */
function writeIdentity(fd) {
  try {
    ftruncateSync(fd, writeSync(fd, formatOwner(thisProcess()), 0));
  } catch (error) {
    if (error.code !== "ENOSPC" && error.code !== "EDQUOT") throw error;
  }
}

/**
 * Locks a file that the caller has opened, or does not while another holds it. Closing the file gives the lock back.
 * @param {number} fd
 * @param {string} path its name
 * @returns {Promise<boolean>} false also when the file does not have that name any more
 * @throws ClaimError
 */
export async function lockOpenFile(fd, path) {
  return (await lock(fd, path, {})) && namesFile(path, fd);
}

/**
 * Whether a process holds the claim on a file. Many may ask at once; a claim that is tried meanwhile may fail.
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

/** @returns {number | undefined} undefined when the file is not there and `flags` do not make it */
function openExisting(path, flags) {
  try {
    // Read and write: NFS locks a file exclusively only for a descriptor that may write.
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

/** flock's status for a lock that another holds; busybox gives it to errors, too, and says why. */
const HELD = 1;
/** Signals that a terminal or a supervisor sends to all processes of a group: they are meant for us, not for flock. */
const GROUP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

/** @returns {Promise<boolean>} false when another open file holds the lock and `wait` is not set */
async function lock(fd, path, { shared = false, wait = false, signal }) {
  for (;;) {
    signal?.throwIfAborted();
    const { status, killedBy, stderr } = await runFlock(fd, [...(wait ? [] : ["-n"]), shared ? "-s" : "-x"], signal);
    signal?.throwIfAborted();
    if (status === 0) return true;
    if (status === HELD && stderr === "" && !wait) return false;
    if (GROUP_SIGNALS.includes(killedBy)) continue;
    throw new ClaimError(
      `${path} cannot be locked: ${stderr || `flock ended with ${killedBy ?? `status ${status}`}`}`,
      "use a folder on a file system that supports flock(2): ext4, xfs, btrfs, tmpfs, or NFS 4",
    );
  }
}

/** Runs flock on a descriptor, which is its descriptor 3. */
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
          ? "install util-linux, and see that flock is in PATH"
          : "allow more processes and open files (ulimit -u, ulimit -n)";
      reject(new ClaimError(`flock, which locks files, did not start: ${error.message}`, hint));
    });
    child.once("close", (status, killedBy) => {
      signal?.removeEventListener("abort", kill);
      resolve({ status, killedBy, stderr: stderr.trim() });
    });
  });
}

/**
 * Who a process is. A PID alone means nothing in another PID namespace or after a reboot, and the kernel uses it again;
 * with the start time, the namespace and the boot it names one process.
 * @typedef {object} Owner
 * @property {string} boot boot id of its kernel
 * @property {string} pidNamespace
 * @property {number} pid in that namespace
 * @property {string} startTime in clock ticks since boot
 * @property {string} host name of its host or container, for people
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

/** Empty where /proc does not say. */
function orEmpty(read) {
  try {
    return read();
  } catch {
    return "";
  }
}

/**
 * @param {number | "self"} pid
 * @returns {string | undefined} in clock ticks since boot; undefined when there is no such process
 */
export function startTimeOf(pid) {
  try {
    // The command name in field 2 may hold spaces and parentheses: count from the last ")".
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
 * The process that a lock file names: its holder, or its last one if nobody holds it.
 * @param {string} path
 * @returns {Owner | undefined} undefined when the file is not there or livelab did not write it
 */
export function readOwner(path) {
  try {
    const { format, ...owner } = JSON.parse(readFileSync(path, "utf8"));
    return format === FORMAT ? owner : undefined;
  } catch {
    return undefined;
  }
}
