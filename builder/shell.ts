/**
 * `livelab shell`: a root shell in a builder machine that shows a release in its present state, or as it was before a stage.
 * Changes in the shell are thrown away, so the release stays unchanged.
 */
import { quoteWord } from "../base/command-line.js";
import { UsageError } from "../base/livelab-error.js";
import type { BuildContext } from "./build-context.js";
import { releaseInside } from "./machines/builder-machine.js";
import { findRelease, type Release } from "./release/release.js";
import { stageNames } from "./stages/stages.js";

export interface ShellRequest {
  /** Stamp of the release. */
  readonly release: string;
  /** Shows the release as it was before this stage. @default its present state, with the files of a failed stage */
  readonly at?: string | undefined;
  /** Command to run, with an empty stdin, in place of an interactive shell; empty for the shell. */
  readonly command: readonly string[];
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Type of the caller's terminal ($TERM). */
  readonly term: string;
}

/** @returns the shell's status @throws UsageError UNKNOWN_RELEASE, UNKNOWN_STAGE, STAGE_ORDER */
export async function openShell(buildContext: BuildContext, request: ShellRequest): Promise<number> {
  const release = await findRelease(buildContext.home, request.release);
  const stages = stagesAt(release, request.at);
  await using gateway = buildContext.createGateway();
  const context = await buildContext.ready(release.stamp, gateway);
  const failed = request.at === undefined ? release.failedStage : undefined;
  await using machine = await context.machines.show({ stamp: release.stamp, stages, failed });

  const folder = releaseInside(release.stamp);
  const enter = `cd ${folder} && exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=${quoteWord(request.term)}`;
  const { command, stdin, stdout, stderr, term } = request;
  const { signal } = buildContext.options;
  if (command.length > 0 || !stdin.isTTY) {
    // No pty: it would lose the end of the input from a pipe or file.
    const words = command.length > 0 ? command.map(quoteWord).join(" ") : "bash --norc";
    const { status } = await machine.ssh.exec(`${enter} ${words}`, {
      ...(command.length > 0 ? {} : { stdin }),
      stdout,
      onStderr: (chunk) => stderr.write(chunk),
      signal,
    });
    return status;
  }
  buildContext.options.progress.note(
    `${folder}: chroot/ is the image's root (to enter it: chroot chroot); your changes are thrown away`,
  );
  const bash = `${enter} PS1=${quoteWord(`${release.stamp}:\\w# `)} bash --norc -i`;
  return await machine.ssh.terminal(bash, { stdin, stdout, term, signal });
}

function stagesAt(release: Release, at: string | undefined): string[] {
  if (at === undefined) return release.stages.map((stage) => stage.key);
  const index = stageNames.indexOf(at);
  if (index === -1)
    throw new UsageError("UNKNOWN_STAGE", `there is no stage "${at}"`, { hint: `stages: ${stageNames.join(", ")}` });
  if (release.stages.length < index) {
    throw new UsageError("STAGE_ORDER", `release ${release.stamp} has not reached stage ${at}`, {
      hint: `stages that it has run: ${release.stages.map((stage) => stage.name).join(", ")}`,
    });
  }
  return release.stages.slice(0, index).map((stage) => stage.key);
}
