/**
 * Explains errors of the host: why it refuses a path or a write, and what a process lacks (open files, processes, memory, its
 * working folder).
 * Sources: open(2), fork(2), write(2), getcwd(2) "ERRORS"; getrlimit(2); proc(5) "/proc/pid/limits";
 * systemd.resource-control(5) "TasksMax".
 */
import { readFileSync } from "node:fs";

export interface SystemExplanation {
  readonly message: string;
  /** What the reader can do about it. */
  readonly hint: string;
}

/** Read at the start: a process that may open no more files cannot read this file either. */
const limits = readLimits();

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "latin1");
  } catch {
    return ""; // without procfs the message has no number
  }
}

/** @param name as in /proc/self/limits, "Max open files" @returns " (the limit is 64)" or nothing */
function limitOf(name: string): string {
  const [, soft] = new RegExp(`^${name} +(\\d+)`, "m").exec(limits) ?? [];
  return soft === undefined ? "" : ` (the limit is ${soft})`;
}

/**
 * Explains an error of Node whose cause is the host and not the request. Undefined for all other errors.
 * A process can run out of files, processes or memory, or lose its working folder, anywhere, so this follows `cause`, too: an
 * error that wraps such an error only knows which operation failed.
 */
export function explainSystemError(error: unknown): SystemExplanation | undefined {
  let inner = error;
  for (let depth = 0; depth < LONGEST_CHAIN && inner instanceof Error; depth += 1) {
    const found = explain(inner, { wrapped: depth > 0 });
    if (found !== undefined) return found;
    inner = inner.cause;
  }
  return undefined;
}

/** Longest chain of causes that is followed; a chain may be a circle. */
const LONGEST_CHAIN = 16;

/** @param wrapped whether to explain only what the process lacks: the wrapping error explains other errors better */
function explain(error: Error, { wrapped }: { readonly wrapped: boolean }): SystemExplanation | undefined {
  const { code, syscall = "", message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "EMFILE":
      return {
        message: `livelab cannot open more files${limitOf("Max open files")}: ${message}`,
        hint: "run ulimit -n 1024, then the same command; if that is refused, raise the limit in /etc/security/limits.conf, or with docker run --ulimit nofile=1024",
      };
    case "ENFILE":
      return {
        message: `this host cannot open more files: ${message}`,
        hint: "end programs that have many files open, or raise the limit: sudo sysctl fs.file-max=1000000",
      };
    case "EAGAIN":
      if (!/^(spawn|fork|clone)/.test(syscall)) return undefined;
      return {
        message: `livelab cannot start more processes${limitOf("Max processes")}: ${message}`,
        hint: "end other programs of this user, or raise the limit: ulimit -u, docker run --pids-limit, TasksMax= of systemd",
      };
    case "ENOMEM":
      return {
        message: `this host has no memory left: ${message}`,
        hint: "end other programs, or add memory or swap",
      };
    case "ENOENT":
      if (syscall !== "uv_cwd") return undefined; // libuv's name of getcwd(2)
      return {
        message: "the working folder no longer exists",
        hint: "change to a folder that exists (cd), then run the same command again",
      };
  }
  if (wrapped) return undefined;
  switch (code) {
    case "EROFS":
      return {
        message: `a file system is read-only: ${message}`,
        hint: "name a writable folder: LIVELAB_HOME for livelab's own files, TMPDIR for temporary ones",
      };
    case "EIO":
      return {
        message: `a disk cannot be read or written: ${message}`,
        hint: "read the kernel's messages about it: dmesg",
      };
    case "ENAMETOOLONG":
      return {
        message: `a path is too long: ${message}`,
        hint: "choose a folder with a shorter path (LIVELAB_HOME, TMPDIR, -o, --report): a path has at most 4095 bytes, and a name in it 255",
      };
    default:
      return undefined;
  }
}

/** Reasons, which follow the path in a message. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "the path does not exist",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "something that is not a folder is in its place",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "its file system is read-only",
  ENAMETOOLONG: "the path is too long",
  ELOOP: "its links lead in a circle",
  ENOSPC: "no space left on device",
  EDQUOT: "disk quota exceeded",
  EFBIG: "the file may not grow further",
  EIO: "input/output error",
  EBADF: "it is closed",
};

/** Returns why a path or a write was refused, e.g. "permission denied"; undefined for other errors. */
export const refusalReason = ({ code }: NodeJS.ErrnoException): string | undefined => REASONS[code ?? ""];
