/**
 * Starts a shell file as process 1 of fresh Linux namespaces: mount, pid, net, uts, ipc, and user too when not root.
 * When that process ends, or livelab does, the kernel kills all that runs in them and undoes every mount.
 * Sources: unshare(1), namespaces(7), user_namespaces(7), setpriv(1), prctl(2) PR_SET_PDEATHSIG.
 * Not here: what the shell file does (sandbox-init.sh, make-base.sh).
 */

import { ProgramError, runProgram, type StartedProgram, startProgram } from "../../../base/run-program.js";
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

/**
 * Starts `script` with `env` and nothing else of our environment.
 * Its failure shows in `exited`; namespaceError() words it.
 */
export async function startInNamespaces(
  script: string,
  options: { readonly env: Readonly<Record<string, string>>; readonly asRoot: boolean; readonly signal?: AbortSignal },
): Promise<StartedProgram> {
  const [command = "", ...args] = namespaceArgv(script, options.asRoot);
  const env = { ...HOST_ENVIRONMENT, ...options.env };
  return startProgram(command, args, { env, signal: options.signal });
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

/** Runs unshare to its end. @returns why it failed, or undefined @throws ProgramError when no process could be started */
async function failureOf(args: readonly string[]): Promise<string | undefined> {
  try {
    await runProgram("unshare", args, { env: HOST_ENVIRONMENT });
    return undefined;
  } catch (error) {
    if (!(error instanceof ProgramError) || explainSystemError(error) !== undefined) throw error; // says nothing about namespaces
    return error.stderr || error.message;
  }
}

/** Turns what unshare or mount said into the error a reader can act on. */
export function namespaceError(what: string, stderr: string, cause?: unknown): BuilderError {
  return new BuilderError(
    "NO_NAMESPACES",
    `${what}: ${stderr.trim().split("\n").slice(-5).join("\n") || (cause instanceof Error ? cause.message : "no reason given")}`,
    {
      hint: "`livelab doctor` says what this host forbids; as root it forbids least",
      cause,
    },
  );
}
