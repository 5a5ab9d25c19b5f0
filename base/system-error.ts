/**
 * Errors of the host in words: why it refuses a path or a write, and what a process lacks (open files, processes, memory).
 * Sources: open(2), fork(2), write(2) "ERRORS"; getrlimit(2); proc(5) "/proc/pid/limits"; systemd.resource-control(5) "TasksMax".
 */
import { readFileSync } from "node:fs";

export interface SystemExplanation {
  readonly message: string;
  /** What the reader can do about it. */
  readonly hint: string;
}

/** Read at the start: where no more files may be opened, this one cannot be read either. */
const limits = readLimits();

function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "latin1");
  } catch {
    return ""; // no proc: the message goes without the number
  }
}

/** @param name as in /proc/self/limits, "Max open files" @returns " (the limit is 64)" or nothing */
function limitOf(name: string): string {
  const [, soft] = new RegExp(`^${name} +(\\d+)`, "m").exec(limits) ?? [];
  return soft === undefined ? "" : ` (the limit is ${soft})`;
}

/**
 * Explains an error of Node whose cause is the host and not what it was asked. Undefined for all others.
 * A process that runs out of files, processes or memory meets that wherever it is at work, so `cause` is looked at, too:
 * what wraps such an error knows only what it was about to do.
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

/** A chain of causes may be a circle. */
const LONGEST_CHAIN = 16;

/** @param wrapped whether only what a process runs out of counts: an error that wraps the rest explains it better */
function explain(error: Error, { wrapped }: { readonly wrapped: boolean }): SystemExplanation | undefined {
  const { code, syscall = "", message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "EMFILE":
      return {
        message: `livelab may not open more files${limitOf("Max open files")}: ${message}`,
        hint: "ulimit -n 1024, then the same command; where that is refused, raise the limit in /etc/security/limits.conf, or with docker run --ulimit nofile=1024",
      };
    case "ENFILE":
      return {
        message: `this host may not open more files: ${message}`,
        hint: "end what has many files open, or raise the limit: sudo sysctl fs.file-max=1000000",
      };
    case "EAGAIN":
      if (!/^(spawn|fork|clone)/.test(syscall)) return undefined;
      return {
        message: `livelab may not start more processes${limitOf("Max processes")}: ${message}`,
        hint: "end what else runs as this user, or raise the limit: ulimit -u, docker run --pids-limit, TasksMax= of systemd",
      };
    case "ENOMEM":
      return {
        message: `this host has no memory left: ${message}`,
        hint: "end other programs, or add memory or swap",
      };
  }
  if (wrapped) return undefined;
  switch (code) {
    case "EROFS":
      return {
        message: `a file system is read-only: ${message}`,
        hint: "name a folder that can be written: LIVELAB_HOME for livelab's own files, TMPDIR for temporary ones",
      };
    case "EIO":
      return { message: `a disk cannot be read or written: ${message}`, hint: "see what the kernel says of it: dmesg" };
    case "ENAMETOOLONG":
      return {
        message: `a path is too long: ${message}`,
        hint: "a path has at most 4095 bytes, and a name in it 255: choose a shorter folder (LIVELAB_HOME, TMPDIR, -o, --report)",
      };
    default:
      return undefined;
  }
}

/** Words that follow the name of what was refused. */
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

/** Why a path or a write was refused, e.g. "permission denied"; undefined for an error that is about something else. */
export const refusalReason = ({ code }: NodeJS.ErrnoException): string | undefined => REASONS[code ?? ""];
