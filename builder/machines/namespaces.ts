/**
 * Starts a shell file as process 1 of fresh Linux namespaces: mount, pid, net, uts, ipc, and user too when not root.
 * When that process ends, or livelab does, the kernel kills all that runs in them and undoes every mount.
 * Sources: unshare(1), namespaces(7), user_namespaces(7), setpriv(1), prctl(2) PR_SET_PDEATHSIG.
 * Not here: what the shell file does (sandbox-init.sh, make-base.sh).
 */
import type { ChildProcess } from "node:child_process";
import { execa, type Options } from "execa";
import { BuilderError } from "../builder-error.js";

/** Only these reach the shell file besides what the caller names: a build sees only what it was handed. */
const HOST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Command line that runs `script` in new namespaces. @param asRoot whether livelab itself runs as root */
export function namespaceArgv(script: string, asRoot: boolean): readonly string[] {
  return [
    // --kill-child covers unshare's death; pdeathsig covers ours, by SIGKILL too.
    ...["setpriv", "--pdeathsig", "KILL", "--"],
    "unshare",
    ...(asRoot ? [] : ["--user", "--map-root-user", "--map-auto"]),
    ...["--mount", "--pid", "--net", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL", "--propagation", "private"],
    ...["--", "/bin/sh", "-eu", script],
  ];
}

export interface NamespaceProcess extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Resolves when all of it is gone; never rejects. */
  readonly exited: Promise<{ readonly exitCode: number | undefined; readonly stderr: string }>;
}

/** Spawns `script` with `env` and nothing else of our environment. Its failure shows in `exited`; namespaceError() words it */
export function spawnInNamespaces(
  script: string,
  options: { readonly env: Readonly<Record<string, string>>; readonly asRoot: boolean; readonly signal?: AbortSignal },
): NamespaceProcess {
  const [command, ...args] = namespaceArgv(script, options.asRoot);
  const settings = {
    env: { PATH: HOST_PATH, LC_ALL: "C", ...options.env },
    extendEnv: false,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    buffer: { stdout: false, stderr: true },
    reject: false,
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    killSignal: "SIGKILL",
  } satisfies Options;
  const child = execa(command as string, args, settings);
  const exited = child.then((result) => ({
    exitCode: result.exitCode,
    stderr: typeof result.stderr === "string" ? result.stderr : ((result.cause as Error | undefined)?.message ?? ""),
  }));
  return {
    process: child as unknown as ChildProcess,
    exited,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Turns what unshare or mount said into the error a reader can act on. */
export function namespaceError(what: string, stderr: string): BuilderError {
  return new BuilderError(
    "NO_NAMESPACES",
    `${what}: ${stderr.trim().split("\n").slice(-5).join("\n") || "no reason given"}`,
    {
      hint: "`livelab doctor` says what this host forbids; as root it forbids least",
    },
  );
}
