/**
 * Finds and extracts the file tree in a .deb, for hosts without dpkg: tar unpacks it.
 * Source: deb(5) and ar(5): an 8-byte magic, then members of a 60-byte header and data padded to even length.
 */
import { open, stat } from "node:fs/promises";
import { findProgram } from "../../base/find-program.js";
import { firstError } from "../../base/first-error.js";
import { isDiskFullText } from "../../base/no-room.js";
import { ProgramError, runProgram } from "../../base/run-program.js";
import { BuilderError, InputError } from "../builder-error.js";
import { Draft } from "../home/draft.js";
import { writeFailure } from "../home/write-failure.js";

const EXTRACT = 'tail -c "+$1" "$2" | head -c "$3" | "$4" -dc | tar -x -O -f - --wildcards "$5" >"$6"';

export interface DataMember {
  /** Offset of the data member in the file, in bytes. */
  readonly offset: number;
  /** Size of the data member in bytes. */
  readonly size: number;
  readonly decompressor: "xz" | "zstd" | "gzip";
}

const decompressors: Readonly<Record<string, DataMember["decompressor"]>> = {
  "data.tar.xz": "xz",
  "data.tar.zst": "zstd",
  "data.tar.gz": "gzip",
};

/**
 * Finds the data member of a .deb.
 * @param name name of the package in messages. @default its path alone
 * @throws InputError NOT_IN_STORE if the file does not exist, MALFORMED if it is not a .deb or is truncated
 */
export async function findDataMember(path: string, name?: string): Promise<DataMember> {
  const malformed = (why: string): InputError => notWhole(path, name, why);
  await using file = await open(path).catch((cause: NodeJS.ErrnoException) => {
    const code = cause.code === "ENOENT" ? "NOT_IN_STORE" : "STORE";
    throw new InputError(code, `cannot read ${labelOf(path, name)}: ${cause.message}`, {
      hint: "livelab inputs fetch",
      cause,
    });
  });
  const found = await file.stat();
  if (!found.isFile()) throw malformed("not a regular file");
  const header = Buffer.alloc(60);
  await file.read(header, 0, 8, 0);
  if (header.toString("latin1", 0, 8) !== "!<arch>\n") throw malformed("no ar magic");
  let at = 8;
  while (at + 60 <= found.size) {
    await file.read(header, 0, 60, at);
    const member = header.toString("latin1", 0, 16).trim().replace(/\/$/, "");
    const digits = header.toString("latin1", 48, 58).trim();
    // Number() would also accept "-8" and "1e9", and the search might not end.
    if (header.toString("latin1", 58, 60) !== "`\n" || !/^\d+$/.test(digits))
      throw malformed(`bad header at byte ${at}`);
    const size = Number(digits);
    const offset = at + 60;
    if (member.startsWith("data.tar")) {
      const decompressor = decompressors[member];
      if (decompressor === undefined) throw malformed(`member ${member} has an unknown compression`);
      if (offset + size > found.size) throw malformed(`member ${member} is truncated`);
      return { offset, size, decompressor };
    }
    at = offset + size + (size % 2);
  }
  throw malformed(at === found.size ? "no data member" : "the file ends before its data member");
}

const labelOf = (path: string, name: string | undefined): string => (name === undefined ? path : `${name} (${path})`);

const notWhole = (path: string, name: string | undefined, why: string): InputError =>
  new InputError("MALFORMED", `${labelOf(path, name)} is not a valid .deb: ${why}`, {
    hint: "remove that file, then run: livelab inputs fetch",
  });

/**
 * Extracts one file from a .deb, completely or not at all, with the host's tar and xz.
 * @param member path or pattern of the file in the package, e.g. "./boot/vmlinuz-*"
 * @param name name of the package in messages. @default its path alone
 * @throws InputError as findDataMember(), and MALFORMED if the .deb has no such file; BuilderError PROGRAM_MISSING,
 * HOST_DISK_FULL, NOT_WRITABLE
 */
export async function extractFile(debPath: string, member: string, target: string, name?: string): Promise<void> {
  const { offset, size, decompressor } = await findDataMember(debPath, name);
  for (const program of ["tar", decompressor]) {
    if ((await findProgram(program)) !== undefined) continue;
    throw new BuilderError("PROGRAM_MISSING", `cannot unpack ${debPath}: ${program} is not in the PATH`, {
      hint: "npm run setup",
    });
  }
  try {
    await using draft = await Draft.begin(target);
    await (await open(draft.path, "w")).close(); // an unwritable folder fails here with Node's error, not later with the shell's message
    const words = [String(offset + 1), debPath, String(size), decompressor, member, draft.path];
    await runProgram("sh", ["-euc", EXTRACT, "sh", ...words], { env: { ...process.env, LC_ALL: "C" } });
    if ((await stat(draft.path)).size === 0) throw hasNoFile(debPath, name, member);
    await draft.commit();
  } catch (error) {
    const failure = firstError(error);
    if (!(failure instanceof ProgramError)) throw writeFailure(target, error);
    const said = failure.stderr;
    if (isDiskFullText(said)) {
      throw writeFailure(target, Object.assign(new Error(said.trim()), { code: "ENOSPC", syscall: "write" }));
    }
    // If the decompressor fails, tar gets no input and reports "Not found" as well, but after the decompressor's own message.
    const first = said.trim().split("\n")[0] || "no reason given";
    if (/^tar: .*: Not found in archive$/.test(first)) throw hasNoFile(debPath, name, member);
    throw notWhole(debPath, name, first);
  }
}

const hasNoFile = (path: string, name: string | undefined, member: string): InputError =>
  new InputError("MALFORMED", `${labelOf(path, name)} has no file ${member}`, {
    hint: `list its files: dpkg -c ${path}`,
  });
