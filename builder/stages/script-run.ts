/**
 * Runs one shell script in a builder machine: gateway in, a clean environment, its output in a file, its last lines kept.
 * Not here: which script (stage-run.ts, machines/vm-base.ts, machines/vm-zfs-modules.ts), what its failure means to whoever runs it.
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

/** What a script run needs of the gateway (store/gateway.ts). */
export interface ScriptGateway {
  /** Name under which the gateway notes refused requests. */
  stage: string;
  /** Serves one connection from the machine. */
  accept(stream: Duplex): void;
  /** @throws InputError REFUSED when it refused a request */
  throwIfRefused(): void;
}

export interface ScriptRun {
  readonly gateway: ScriptGateway;
  /** Whose requests the gateway answers, should it refuse one: a stage, or what else is made. */
  readonly name: string;
  /** Words of the command that begins with the script's path; it is run by sh. */
  readonly words: readonly string[];
  /** All that the script sees of an environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** @default an empty input */
  readonly stdin?: Readable | undefined;
  /** Takes the script's whole output, stdout and stderr as they came. */
  readonly logFile: string;
  /** Shows each line of it. */
  readonly step: Pick<Step, "status">;
  /** Gets the last lines of it, oldest first, also when this throws. */
  readonly tail: LastLines;
  readonly signal: AbortSignal;
}

/** The last lines of something. */
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

  /** One below the other, indented. */
  toString(): string {
    return this.#lines.map((line) => `  | ${line}`).join("\n");
  }
}

/**
 * @returns how the script ended; a status other than 0 is a result
 * @throws InputError REFUSED when it asked for what the lock lacks; BuilderError NOT_WRITABLE, HOST_DISK_FULL for its log;
 * SshError as SshConnection.exec() does
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
  await finished(log).catch(() => undefined); // log.errored says it
  if ("error" in outcome && outcome.error !== log.errored) throw outcome.error;
  if (log.errored) throw writeFailure(logFile, log.errored);
  gateway.throwIfRefused();
  return (outcome as { readonly ended: ExecResult }).ended;
}

/** Unpacks a tar stream in a machine. @param folder made where it is missing */
export async function sendFiles(
  { ssh }: Pick<RootBuilder, "ssh">,
  tar: Readable,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const target = quoteWord(folder);
  const sent = await ssh.exec(`mkdir -p ${target} && tar -x -f - -C ${target}`, { stdin: tar, signal });
  if (sent.status === 0) return;
  throw new BuilderError("MACHINE_DIED", `files for ${folder} did not get into the builder machine: ${sent.stderr}`);
}

/** What scripts of livelab need of the environment: whoever runs one adds its own. */
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

/** Folder of the stages' shell files in a machine that runs one of them. */
export const STAGES_INSIDE = "/run/stages";
