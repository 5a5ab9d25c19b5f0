/**
 * A child process that cannot outlive livelab:
 * - if livelab ends normally or with an error, it kills the child synchronously at process exit;
 * - if an unhandled signal ends livelab, including SIGKILL, the kernel kills the child when its parent dies.
 * Source: prctl(2), PR_SET_PDEATHSIG; setpriv(1) of util-linux.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { TOOLS_REMEDY } from "../../base/tools.js";
import { usableFolder } from "../../base/working-folder.js";
import { VmError } from "../vm-error.js";

export interface ProcessExit {
  /** Exit status; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The child's descriptor for the far end of `channel`. */
export const CHANNEL_DESCRIPTOR = 3;

export interface TetheredProcess {
  readonly pid: number;
  /** A socket connected to CHANNEL_DESCRIPTOR of the child from the start, without a path and therefore without a race. */
  readonly channel: Duplex;
  /** Resolves when the child has ended. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Signals the child and the processes that it started. Does nothing if the child has ended. */
  kill(signal: NodeJS.Signals): void;
}

/**
 * The kernel kills the child only after setpriv has requested it. If livelab is killed before that, this shell has another
 * parent and does not start the program. The script is a constant; the program and its arguments are passed as arguments.
 */
const guard = '[ "$PPID" = "$0" ] && exec "$@"';

export interface TetheredStart {
  /** File for stdout and stderr. An existing file is overwritten. */
  readonly logPath: string;
  /** @default /dev/null */
  readonly stdin?: FileHandle | undefined;
}

/**
 * Starts a program in a new process group.
 * @throws VmError SETPRIV_NOT_FOUND
 */
export async function spawnTethered(
  program: string,
  args: readonly string[],
  { logPath, stdin }: TetheredStart,
): Promise<TetheredProcess> {
  await using log = await open(logPath, "w");
  const child = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", "--", "/bin/sh", "-c", guard, String(process.pid), program, ...args],
    { cwd: usableFolder(), stdio: [stdin?.fd ?? "ignore", log.fd, log.fd, "pipe"], detached: true },
  );
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  await started(child);
  const pid = child.pid as number;
  let ended = false;
  const untie = killAtExit(pid);
  void exited.then(() => {
    ended = true;
    untie();
  });
  return {
    pid,
    channel: child.stdio[CHANNEL_DESCRIPTOR] as Duplex,
    exited,
    kill: (signal) => {
      if (!ended) killGroup(pid, signal);
    },
  };
}

async function started(child: ChildProcess): Promise<void> {
  try {
    await once(child, "spawn");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== "ENOENT") {
      throw new VmError("SETPRIV_NOT_FOUND", `cannot start setpriv: ${message}`, {
        hint: "check the limits of open files and of processes (ulimit -n, ulimit -u), and the permissions of setpriv",
        cause,
      });
    }
    throw new VmError("SETPRIV_NOT_FOUND", "setpriv is not in the PATH", {
      hint: TOOLS_REMEDY,
      cause,
    });
  }
}

const living = new Set<number>();

// Synchronous, because process.exit() does not wait for promises.
const killLiving = () => {
  for (const pid of living) killGroup(pid, "SIGKILL");
};

/** Kills the child at process exit. The listener exists only while children run. @returns a function that removes the child */
function killAtExit(pid: number): () => void {
  if (living.size === 0) process.on("exit", killLiving);
  living.add(pid);
  return () => {
    living.delete(pid);
    if (living.size === 0) process.off("exit", killLiving);
  };
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has already ended.
  }
}
