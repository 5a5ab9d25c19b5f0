/**
 * Runs programs of the host: to their end (runProgram), or in the background with open pipes (startProgram).
 * vm/qemu/tethered-process.ts starts programs that inherit descriptors.
 */
import type { ChildProcess } from "node:child_process";
import type { Options } from "execa";
import { formatDuration } from "./format.js";
import { limitSignal } from "./wait-at-most.js";
import { usableFolder } from "./working-folder.js";

export interface RunOptions {
  /** @default that of this process, or `/`; see usableFolder() */
  readonly cwd?: string;
  /** The whole environment of the program. @default that of this process */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** @default an empty input */
  readonly stdin?: string | undefined;
  /** Longest run, in milliseconds. @default no limit but the signal's */
  readonly limitMs?: number | undefined;
  /** Ends the program; the signal's reason is then thrown. */
  readonly signal?: AbortSignal | undefined;
}

export interface ProgramOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** A program did not end with status 0. `cause` is Node's error if it did not start. */
export class ProgramError extends Error implements ProgramOutput {
  override readonly name = "ProgramError";
  /** Undefined if the program did not start, was killed, or reached its limit. */
  readonly status: number | undefined;
  /** Whether it reached its limit. */
  readonly timedOut: boolean;
  /** How it ended, without its output: "ended with status 2". */
  readonly how: string;
  readonly stdout: string;
  readonly stderr: string;

  constructor(
    program: string,
    how: string,
    result: ProgramOutput & Pick<ProgramExit, "status" | "cause"> & { readonly timedOut: boolean },
  ) {
    const said = result.stderr.trim();
    super(`${program} ${how}${said === "" ? "" : `: ${said}`}`, { cause: result.cause });
    this.how = how;
    this.status = result.status;
    this.timedOut = result.timedOut;
    this.stdout = result.stdout;
    this.stderr = result.stderr;
  }
}

export interface ProgramExit {
  /** Undefined if the program was killed or did not start. */
  readonly status: number | undefined;
  readonly stderr: string;
  /** Node's error if the program did not start. */
  readonly cause: unknown;
}

export interface StartedProgram extends AsyncDisposable {
  /** Its stdin and stdout are pipes. */
  readonly process: ChildProcess;
  /** Resolves when the program and its pipes have ended; never rejects. */
  readonly exited: Promise<ProgramExit>;
}

/** execa takes 0.2 s to load, and most runs of livelab need no program. */
const loadExeca = () => import("execa");

/** Longest output that is kept, for stdout and stderr each, in characters. */
const LONGEST_OUTPUT = 2 ** 24;
/** Time from SIGTERM to SIGKILL, in milliseconds. */
const TERM_MS = 2_000;

/**
 * Runs a program to its end and returns its output.
 * @param program name in the PATH, or a path
 * @throws ProgramError if it does not start, ends with a status other than 0, is killed, reaches the limit or prints more
 * than 16 Mi characters; the signal's reason when it is aborted; execa's error of getcwd(2) in place of an error of the start,
 * the limit or the signal if the working folder is gone
 */
export async function runProgram(
  program: string,
  args: readonly string[] = [],
  { cwd = usableFolder(), env, stdin, limitMs, signal }: RunOptions = {},
): Promise<ProgramOutput> {
  signal?.throwIfAborted();
  const ended = new AbortController();
  const overdue = new Error("overdue");
  const limit = limitMs === undefined ? signal : limitSignal({ limitMs, signal, onLimit: () => overdue });
  const { execa } = await loadExeca();
  const child = execa(program, args, {
    cwd,
    ...(env === undefined ? {} : { env, extendEnv: false }),
    ...(stdin === undefined ? { stdin: "ignore" } : { input: stdin }),
    ...(limit === undefined ? {} : { cancelSignal: limit }),
    stripFinalNewline: false,
    maxBuffer: LONGEST_OUTPUT,
    forceKillAfterDelay: TERM_MS,
    reject: false,
  } satisfies Options);
  // A child of the program may hold the pipes open: at a limit, do not wait for their end.
  const close = (): void => {
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  if (limit?.aborted) close();
  limit?.addEventListener("abort", close, { signal: ended.signal });
  const result = await child.finally(() => ended.abort());
  const { exitCode: status, signal: killedBy, cause } = result;
  // execa gives no output, against its types, if spawn() throws (E2BIG, ENOMEM).
  const { stdout = "", stderr = "" }: Partial<ProgramOutput> = result;
  if (!result.failed) return { stdout, stderr };
  const timedOut = result.isCanceled && limit?.reason === overdue;
  const failure = (how: string): ProgramError =>
    new ProgramError(program, how, { stdout, stderr, status, cause, timedOut });
  if (timedOut) throw failure(`did not end in ${formatDuration(limitMs ?? 0)}`);
  if (result.isCanceled) throw limit?.reason;
  signal?.throwIfAborted(); // Ctrl-C ends livelab and the program, which may be first
  if (result.isMaxBuffer) throw failure(`printed more than ${LONGEST_OUTPUT} characters`);
  if (status !== undefined) throw failure(`ended with status ${status}`);
  throw failure(killedBy === undefined ? `did not start: ${result.originalMessage}` : `was killed by ${killedBy}`);
}

/**
 * Starts a program with pipes for its stdin and stdout. Disposing of it kills it (SIGKILL) and waits for its end.
 * `exited` reports a failure to start.
 * @param options.signal kills the program
 */
export async function startProgram(
  program: string,
  args: readonly string[],
  { env, signal }: Pick<RunOptions, "env" | "signal"> = {},
): Promise<StartedProgram> {
  const { execa } = await loadExeca();
  const child = execa(program, args, {
    cwd: usableFolder(),
    ...(env === undefined ? {} : { env, extendEnv: false }),
    ...(signal === undefined ? {} : { cancelSignal: signal }),
    stdin: "pipe",
    buffer: { stdout: false, stderr: true },
    stripFinalNewline: false,
    killSignal: "SIGKILL",
    reject: false,
  } satisfies Options);
  const exited = child.then(
    ({ exitCode: status, stderr, cause }) => ({ status, stderr: stderr ?? "", cause }),
    (cause: unknown) => ({ status: undefined, stderr: "", cause }), // execa throws if the working folder is gone
  );
  return {
    process: child as unknown as ChildProcess,
    exited,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
