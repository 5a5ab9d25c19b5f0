/**
 * Where the file tree lies inside a .deb: a host without dpkg can cut it out and unpack it with tar.
 * Source: deb(5) and ar(5): an 8-byte magic, then members of a 60-byte header and data padded to even length.
 */
import { execFile } from "node:child_process";
import { open, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { InputError } from "../builder-error.js";
import { Draft } from "../draft.js";

const run = promisify(execFile);
const EXTRACT = 'tail -c "+$1" "$2" | head -c "$3" | "$4" -dc | tar -x -O -f - --wildcards "$5" >"$6"';

export interface DataMember {
  /** First byte of the data member in the file. */
  readonly offset: number;
  /** Its length in bytes. */
  readonly size: number;
  readonly decompressor: "xz" | "zstd" | "gzip";
}

const decompressors: Readonly<Record<string, DataMember["decompressor"]>> = {
  "data.tar.xz": "xz",
  "data.tar.zst": "zstd",
  "data.tar.gz": "gzip",
};

/** Finds the data member of a .deb. @throws InputError MALFORMED when the file is not a .deb or is cut short */
export async function findDataMember(path: string): Promise<DataMember> {
  await using file = await open(path);
  const malformed = (why: string): InputError =>
    new InputError("MALFORMED", `${path} is not a whole .deb: ${why}`, {
      hint: "livelab inputs fetch, after removing that file",
    });
  const { size: fileSize } = await file.stat();
  const header = Buffer.alloc(60);
  await file.read(header, 0, 8, 0);
  if (header.toString("latin1", 0, 8) !== "!<arch>\n") throw malformed("no ar magic");
  for (let at = 8; at + 60 <= fileSize; ) {
    await file.read(header, 0, 60, at);
    const name = header.toString("latin1", 0, 16).trim().replace(/\/$/, "");
    const size = Number(header.toString("latin1", 48, 58).trim());
    if (header.toString("latin1", 58, 60) !== "`\n" || !Number.isInteger(size))
      throw malformed(`bad header at byte ${at}`);
    const offset = at + 60;
    if (name.startsWith("data.tar")) {
      const decompressor = decompressors[name];
      if (decompressor === undefined) throw malformed(`member ${name} has an unknown compression`);
      if (offset + size > fileSize) throw malformed(`member ${name} is cut short`);
      return { offset, size, decompressor };
    }
    at = offset + size + (size % 2);
  }
  throw malformed("no data member");
}

/**
 * Cuts one file out of a .deb, whole or not at all, with the host's tar and xz.
 * @param member its path in the package, "./boot/vmlinuz-*"
 * @throws InputError MALFORMED when the .deb is not whole or has no such file; Error of a program that the host lacks
 */
export async function extractFile(debPath: string, member: string, target: string): Promise<void> {
  await using draft = await Draft.begin(target);
  const { offset, size, decompressor } = await findDataMember(debPath);
  const words = [String(offset + 1), debPath, String(size), decompressor, member, draft.path];
  await run("sh", ["-euc", EXTRACT, "sh", ...words]);
  if ((await stat(draft.path)).size === 0) throw new InputError("MALFORMED", `${debPath} has no file ${member}`);
  await draft.commit();
}
