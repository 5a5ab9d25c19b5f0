/**
 * Starts a shell file as process 1 of new Linux namespaces: mount, pid, net, uts, ipc, and also user if livelab is not root.
 * When that process or livelab ends, the kernel kills all processes in the namespaces and removes every mount.
 * Sources: unshare(1), namespaces(7), user_namespaces(7), setpriv(1), prctl(2) PR_SET_PDEATHSIG.
 */
import { ProgramError, runProgram, type StartedProgram, startProgram } from "../../../base/run-program.js";
import { explainSystemError } from "../../../base/system-error.js";
import { toolFolders } from "../../../base/tools.js";
import { BuilderError } from "../../builder-error.js";

/** The only variables that the shell file gets in addition to the caller's: a build must not see the host's environment. */
const hostEnvironment = () => ({
  PATH: [...toolFolders(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"].join(":"),
  LC_ALL: "C",
});

const NAMESPACES = ["--mount", "--pid", "--net", "--uts", "--ipc"];

/** Makes livelab root of the user namespace, with all ids that /etc/subuid and /etc/subgid grant. */
const MAP_IDS = ["--map-root-user", "--map-auto"];

/** The command line that runs `script` in new namespaces. @param asRoot whether livelab itself runs as root */
function namespaceArgv(script: string, asRoot: boolean): readonly string[] {
  return [
    // --kill-child handles the death of unshare; --pdeathsig handles the death of livelab, also by SIGKILL.
    ...["setpriv", "--pdeathsig", "KILL", "--"],
    "unshare",
    ...(asRoot ? [] : ["--user", ...MAP_IDS]),
    ...[...NAMESPACES, "--fork", "--kill-child=SIGKILL", "--propagation", "private"],
    ...["--", "sh", "-eu", script],
  ];
}

/**
 * Starts `script` with `env` and without livelab's own environment.
 * `exited` reports its failure; pass that to namespaceError().
 */
export async function startInNamespaces(
  script: string,
  options: { readonly env: Readonly<Record<string, string>>; readonly asRoot: boolean; readonly signal?: AbortSignal },
): Promise<StartedProgram> {
  const [command = "", ...args] = namespaceArgv(script, options.asRoot);
  const env = { ...hostEnvironment(), ...options.env };
  return startProgram(command, args, { env, signal: options.signal });
}

/**
 * The reason why the kernel refuses namespaces, or undefined if it grants them. It does not check the mapping of ids.
 * Call it before ids are mapped: if unshare 2.38 is refused, it leaves its helper process for --map-auto behind, which waits
 * for ever and keeps livelab's pipes open.
 */
export async function namespaceRefusal(asRoot: boolean): Promise<string | undefined> {
  return failureOf([...(asRoot ? [] : ["--user"]), ...NAMESPACES, "--", "true"]);
}

/** Runs one program as root of a user namespace, without other namespaces. @throws BuilderError NO_NAMESPACES if it fails */
export async function runAsMappedRoot(argv: readonly string[]): Promise<void> {
  const failure = (await namespaceRefusal(false)) ?? (await failureOf(["--user", ...MAP_IDS, "--", ...argv]));
  if (failure !== undefined) throw namespaceError(`${argv.join(" ")} failed in a user namespace`, failure);
}

/** Runs unshare. @returns the reason of its failure, or undefined @throws ProgramError if no process could be started */
async function failureOf(args: readonly string[]): Promise<string | undefined> {
  try {
    await runProgram("unshare", args, { env: hostEnvironment() });
    return undefined;
  } catch (error) {
    if (!(error instanceof ProgramError) || explainSystemError(error) !== undefined) throw error; // says nothing about namespaces
    return error.stderr || error.message;
  }
}

/** Converts the output of unshare or mount to an error with a hint. */
export function namespaceError(what: string, stderr: string, cause?: unknown): BuilderError {
  return new BuilderError(
    "NO_NAMESPACES",
    `${what}: ${stderr.trim().split("\n").slice(-5).join("\n") || (cause instanceof Error ? cause.message : "no reason given")}`,
    {
      hint: "run livelab doctor to see what this host forbids; root has the fewest restrictions",
      cause,
    },
  );
}
