/**
 * Copies a folder of a builder machine to the host as one tar stream: through SSH, or over a disk that both can reach.
 * The disk is for emulated machines, whose processor enciphers 17 MB/s; a disk takes what they read.
 */
import { createReadStream } from "node:fs";
import { finished, pipeline } from "node:stream/promises";
import { quoteWord } from "../../vm/command-line.js";
import type { SshConnection } from "../../vm/ssh-connection.js";
import { StageError } from "../builder-error.js";
import { extractTar } from "../tar-stream.js";

type Shell = Pick<SshConnection, "exec">;

/** For BuilderMachine.copyOut. */
export async function copyOverSsh(ssh: Shell, folder: string, target: string, signal: AbortSignal): Promise<void> {
  const unpack = extractTar(target);
  const unpacked = finished(unpack);
  unpacked.catch(() => undefined); // exec() tells of it first
  const sent = await ssh.exec(`tar -c -C ${quoteWord(folder)} .`, { stdout: unpack, signal });
  unpack.end();
  await unpacked;
  if (sent.status !== 0) throw unreadable(folder, sent.stderr);
}

/** For BuilderMachine.copyOut. @param disk its path here, and its device in the machine; what it held is lost */
export async function copyOverDisk(
  ssh: Shell,
  disk: { readonly path: string; readonly inside: string },
  folder: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  // Records of 1 MiB; sync(1) of a device is over when the host has all of it.
  const { status, stderr } = await ssh.exec(
    `LC_ALL=C tar -c --totals --blocking-factor=2048 -f ${disk.inside} -C ${quoteWord(folder)} . && sync ${disk.inside}`,
    { signal },
  );
  const total = /^Total bytes written: (\d+)/m.exec(stderr)?.[1];
  if (status !== 0 || total === undefined) throw unreadable(folder, stderr);
  await pipeline(createReadStream(disk.path, { end: Number(total) - 1 }), extractTar(target), { signal });
}

const unreadable = (folder: string, stderr: string): StageError =>
  new StageError("STAGE_OUTPUT", `${folder} could not be copied out of the builder machine: ${stderr.trim()}`);
