/**
 * Starts a shell file as process 1 of fresh Linux namespaces: mount, pid, net, uts, ipc, and user too when not root.
 * When that process ends, or livelab does, the kernel kills all that runs in them and undoes every mount.
 * Sources: unshare(1), namespaces(7), user_namespaces(7), setpriv(1), prctl(2) PR_SET_PDEATHSIG.
 * Not here: what the shell file does (sandbox-init.sh, make-base.sh).
 */
import type { ChildProcess } from "node:child_process";
import { execa, type Options } from "execa";
import { explainSystemError } from "../../../base/system-error.js";
import { BuilderError } from "../../builder-error.js";

/** Only these reach the shell file besides what the caller names: a build sees only what it was handed. */
const HOST_ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };

const NAMESPACES = ["--mount", "--pid", "--net", "--uts", "--ipc"];

/** Makes us root of the user namespace, with all ids that /etc/subuid and /etc/subgid grant us. */
const MAP_IDS = ["--map-root-user", "--map-auto"];

/** Command line that runs `script` in new namespaces. @param asRoot whether livelab itself runs as root */
function namespaceArgv(script: string, asRoot: boolean): readonly string[] {
  return [
    // --kill-child covers unshare's death; pdeathsig covers ours, by SIGKILL too.
    ...["setpriv", "--pdeathsig", "KILL", "--"],
    "unshare",
    ...(asRoot ? [] : ["--user", ...MAP_IDS]),
    ...[...NAMESPACES, "--fork", "--kill-child=SIGKILL", "--propagation", "private"],
    ...["--", "/bin/sh", "-eu", script],
  ];
}

export interface NamespaceProcess extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Resolves when all of it is gone; never rejects. */
  readonly exited: Promise<{
    readonly exitCode: number | undefined;
    readonly stderr: string;
    /** Why it was not spawned. */
    readonly cause: unknown;
  }>;
}

/** Spawns `script` with `env` and nothing else of our environment. Its failure shows in `exited`; namespaceError() words it */
export function spawnInNamespaces(
  script: string,
  options: { readonly env: Readonly<Record<string, string>>; readonly asRoot: boolean; readonly signal?: AbortSignal },
): NamespaceProcess {
  const [command, ...args] = namespaceArgv(script, options.asRoot);
  const settings = {
    env: { ...HOST_ENVIRONMENT, ...options.env },
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
    stderr: complaintOf(result),
    cause: result.cause,
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

/**
 * Why the kernel refuses us the namespaces, or undefined when it grants them; mapping ids is another matter.
 * To be asked before ids are mapped: unshare 2.38, when it is refused, leaves its helper for --map-auto behind, which
 * waits for ever and keeps our pipes open.
 */
export async function namespaceRefusal(asRoot: boolean): Promise<string | undefined> {
  return failureOf([...(asRoot ? [] : ["--user"]), ...NAMESPACES, "--", "true"]);
}

/** Runs one program as root of a user namespace and of nothing else. @throws BuilderError NO_NAMESPACES when it fails */
export async function runAsMappedRoot(argv: readonly string[]): Promise<void> {
  const failure = (await namespaceRefusal(false)) ?? (await failureOf(["--user", ...MAP_IDS, "--", ...argv]));
  if (failure !== undefined) throw namespaceError(`${argv.join(" ")} failed in a user namespace`, failure);
}

/** Runs unshare to its end. @returns why it failed, or undefined @throws Error of Node when no process could be started */
async function failureOf(args: readonly string[]): Promise<string | undefined> {
  const settings = { env: HOST_ENVIRONMENT, extendEnv: false, stdin: "ignore", reject: false } satisfies Options;
  const result = await execa("unshare", args, settings);
  if (explainSystemError(result.cause) !== undefined) throw result.cause; // says nothing about namespaces
  return result.exitCode === 0 ? undefined : complaintOf(result);
}

/** What a program wrote on its error output, or why it never began. */
const complaintOf = ({ stderr, cause }: { readonly stderr?: unknown; readonly cause?: unknown }): string =>
  (typeof stderr === "string" && stderr) || (cause instanceof Error ? cause.message : "");

/** Turns what unshare or mount said into the error a reader can act on. */
export function namespaceError(what: string, stderr: string, cause?: unknown): BuilderError {
  return new BuilderError(
    "NO_NAMESPACES",
    `${what}: ${stderr.trim().split("\n").slice(-5).join("\n") || "no reason given"}`,
    {
      hint: "`livelab doctor` says what this host forbids; as root it forbids least",
      cause,
    },
  );
}
