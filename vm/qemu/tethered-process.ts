/**
 * A child process that cannot outlive livelab, however livelab ends:
 * - normally or by an error: a synchronous kill at process exit;
 * - by a signal nobody handles, SIGKILL among them: the kernel kills the child when its parent dies.
 * Source: prctl(2), PR_SET_PDEATHSIG; setpriv(1) of util-linux.
 * Not here: how a machine is asked to end (machine.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { VmError } from "../vm-error.js";

export interface ProcessExit {
  /** Exit status; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The descriptor in the child that is the far end of `channel`. */
export const CHANNEL_DESCRIPTOR = 3;

export interface TetheredProcess {
  readonly pid: number;
  /** Connected to CHANNEL_DESCRIPTOR of the child from the start: no path, nothing to race for, nothing left behind. */
  readonly channel: Duplex;
  /** Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Signals the child and all it started. Does nothing when it has ended. */
  kill(signal: NodeJS.Signals): void;
}

/**
 * The kernel's promise holds from the moment setpriv asked for it. A livelab killed before that moment is
 * noticed by the shell, for then its parent is another. The program is a constant; the words come as arguments.
 */
const guard = '[ "$PPID" = "$0" ] && exec "$@"';

export interface TetheredStart {
  /** File for stdout and stderr; emptied first. */
  readonly logPath: string;
  /** @default nothing to read */
  readonly stdin?: FileHandle | undefined;
}

/**
 * Starts a program in a process group of its own.
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
    { stdio: [stdin?.fd ?? "ignore", log.fd, log.fd, "pipe"], detached: true },
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
      throw new VmError("SETPRIV_NOT_FOUND", `setpriv cannot be started: ${message}`, {
        hint: "see the limits of open files and of processes (ulimit -n, ulimit -u), and who may run setpriv",
        cause,
      });
    }
    throw new VmError("SETPRIV_NOT_FOUND", "setpriv is not in the PATH", {
      hint: "install util-linux (apt-get, dnf, pacman, zypper or apk add: setpriv)",
      cause,
    });
  }
}

const living = new Set<number>();

// process.exit leaves no time for promises: this kill has to be synchronous.
const killLiving = () => {
  for (const pid of living) killGroup(pid, "SIGKILL");
};

/** Listens for the process's exit from the first child to the last. @returns a function that takes the child off */
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
    // It ended by itself in the meantime.
  }
}
