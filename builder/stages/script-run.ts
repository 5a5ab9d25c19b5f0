/**
 * Runs one shell script in a builder machine: connects the gateway, sets a clean environment, writes the output to a file and
 * keeps its last lines. The callers interpret a failure.
 */
import { open } from "node:fs/promises";
import type { Duplex, Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { quoteWord } from "../../base/command-line.js";
import type { Step } from "../../base/progress/progress.js";
import { BuilderError } from "../builder-error.js";
import type { ExecResult } from "../channel/ssh-connection.js";
import { GATEWAY_PORT } from "../channel/sshd-config.js";
import { lineSink } from "../home/line-sink.js";
import { writeFailure } from "../home/write-failure.js";
import { releaseInside } from "../machines/builder-machine.js";
import type { RootBuilder } from "../machines/root-builder.js";
import type { Lock } from "../profile/lock.js";

/** The part of the gateway that a script run needs (store/gateway.ts). */
export interface ScriptGateway {
  /** Name under which the gateway notes refused requests. */
  stage: string;
  /** Serves one connection from the machine. */
  accept(stream: Duplex): void;
  /** @throws InputError REFUSED if it refused a request */
  throwIfRefused(): void;
}

export interface ScriptRun {
  readonly gateway: ScriptGateway;
  /** Name of the stage or of another run; the gateway uses it in messages about refused requests. */
  readonly name: string;
  /** The script's path and its arguments; sh runs it. */
  readonly words: readonly string[];
  /** The complete environment of the script. */
  readonly environment: Readonly<Record<string, string>>;
  /** @default an empty input */
  readonly stdin?: Readable | undefined;
  /** File for the script's complete output, stdout and stderr in their order. */
  readonly logFile: string;
  /** Shows each line of the output. */
  readonly step: Pick<Step, "status">;
  /** Receives the last lines of the output, oldest first, also if the run throws. */
  readonly tail: LastLines;
  readonly signal: AbortSignal;
}

/** Keeps the last lines of an output. */
export class LastLines {
  readonly #lines: string[] = [];
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > this.#most) this.#lines.shift();
  }

  /** The lines, indented, for an error message. */
  toString(): string {
    return this.#lines.map((line) => `  | ${line}`).join("\n");
  }
}

/**
 * Runs a script to its end.
 * @returns how the script ended; a status other than 0 is not an error of this function
 * @throws InputError REFUSED if it requested a file that the lock does not name; BuilderError NOT_WRITABLE, HOST_DISK_FULL
 * for its log; SshError as SshConnection.exec() does
 */
export async function runScript(
  { ssh }: Pick<RootBuilder, "ssh">,
  run: ScriptRun,
): Promise<Pick<ExecResult, "status" | "killedBy">> {
  const { gateway, name, environment, logFile, stdin, tail, step, signal } = run;
  const file = await open(logFile, "w").catch((cause) => {
    throw writeFailure(logFile, cause);
  });
  const log = file.createWriteStream();
  const output = lineSink(log, (line) => {
    tail.add(line);
    step.status(line);
  });
  const variables = Object.entries(environment).map(([variable, value]) => `${variable}=${value}`);
  const words = ["env", "-i", ...variables, "sh", ...run.words].map(quoteWord).join(" ");
  const exec = async (): Promise<ExecResult> => {
    await ssh.forwardFrom(GATEWAY_PORT, (stream) => gateway.accept(stream));
    gateway.stage = name;
    return ssh.exec(`exec ${words} 2>&1`, { ...(stdin === undefined ? {} : { stdin }), stdout: output, signal });
  };
  const outcome = await exec().then(
    (ended) => ({ ended }),
    (error: unknown) => ({ error }),
  );
  output.end();
  await finished(log).catch(() => undefined); // log.errored has the error
  if ("error" in outcome && outcome.error !== log.errored) throw outcome.error;
  if (log.errored) throw writeFailure(logFile, log.errored);
  gateway.throwIfRefused();
  return (outcome as { readonly ended: ExecResult }).ended;
}

/** Unpacks a tar stream in a machine. @param folder created if it does not exist */
export async function sendFiles(
  { ssh }: Pick<RootBuilder, "ssh">,
  tar: Readable,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const target = quoteWord(folder);
  const sent = await ssh.exec(`mkdir -p ${target} && tar -x -f - -C ${target}`, { stdin: tar, signal });
  if (sent.status === 0) return;
  throw new BuilderError("MACHINE_DIED", `cannot copy files to ${folder} of the builder machine: ${sent.stderr}`);
}

/** Environment variables of every script of livelab; callers add those of their script. */
export const commonEnvironment = (stamp: string, lock: Lock) => ({
  PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C",
  TZ: "UTC",
  HOME: "/root",
  STAMP: stamp,
  RELEASE: releaseInside(stamp),
  SOURCE_DATE_EPOCH: String(lock.profile.epoch),
  GATEWAY: `http://127.0.0.1:${GATEWAY_PORT}`,
});

/** Folder of the stages' shell files in a builder machine. */
export const STAGES_INSIDE = "/run/stages";
