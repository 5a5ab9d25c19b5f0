/** Reads files of a .deb into memory, with the host's decompressor. */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { startProgram } from "../../base/run-program.js";
import { readTar, type TarFile } from "../home/tar-stream.js";
import { findDataMember } from "./deb-archive.js";

/**
 * @param wants whether to read the file with this path, e.g. "boot/vmlinuz-6.1"
 * @param name name of the package in messages
 */
export async function readDebFiles(
  path: string,
  wants: (path: string) => boolean,
  name: string,
): Promise<readonly TarFile[]> {
  const { offset, size, decompressor } = await findDataMember(path, name);
  await using program = await startProgram(decompressor, ["-dc"]);
  const { stdin, stdout } = program.process;
  if (stdin === null || stdout === null) throw new Error(`${decompressor} was spawned without pipes`);
  const packed = createReadStream(path, { start: offset, end: offset + size - 1 });
  const [files] = await Promise.all([readTar(stdout, wants), pipeline(packed, stdin)]);
  return files;
}
