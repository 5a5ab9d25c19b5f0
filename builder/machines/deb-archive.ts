/**
 * Finds and unpacks the file tree in a .deb without dpkg, tar or xz of the host.
 * Source: deb(5) and ar(5): an 8-byte magic, then members of a 60-byte header and data padded to even length.
 */
import { createReadStream } from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import xz from "xz-decompress"; // CommonJS without named exports
import { firstError } from "../../base/first-error.js";
import { InputError } from "../builder-error.js";
import { Draft } from "../home/draft.js";
import { extractTar, readTar, type TarFile } from "../home/tar-stream.js";
import { writeFailure } from "../home/write-failure.js";

/** The compression of all packages of Debian (dpkg-deb(1) -Z). */
const DATA_MEMBER = "data.tar.xz";

/** Position of the data member, a compressed tar archive, in the file. */
export interface DataMember {
  /** In bytes. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
}

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
      if (member !== DATA_MEMBER) throw malformed(`member ${member} has an unknown compression`);
      if (offset + size > found.size) throw malformed(`member ${member} is truncated`);
      return { offset, size };
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
 * Extracts one file from a .deb, completely or not at all. It passes through memory.
 * @param member path of the file in the package, e.g. "./usr/lib/ipxe/snponly.efi", or a pattern of it
 * @param name name of the package in messages. @default its path alone
 * @throws InputError as findDataMember(), and MALFORMED if the .deb has no such file; BuilderError HOST_DISK_FULL, NOT_WRITABLE
 */
export async function extractFile(
  debPath: string,
  member: string | RegExp,
  target: string,
  name?: string,
): Promise<void> {
  const isMember = (path: string): boolean =>
    typeof member === "string" ? `./${path}` === member : member.test(`./${path}`);
  const file = (await readDeb(debPath, isMember, name)).find(({ kind }) => kind === "file");
  if (file?.kind !== "file") {
    throw new InputError("MALFORMED", `${labelOf(debPath, name)} has no file ${member}`, {
      hint: `list its files: dpkg -c ${debPath}`,
    });
  }
  try {
    await using draft = await Draft.begin(target);
    await writeFile(draft.path, file.content);
    await draft.commit();
  } catch (error) {
    throw writeFailure(target, error);
  }
}

/**
 * Reads files of a .deb into memory.
 * @param wants whether a file, by its path without "./" at the start, is wanted
 * @param name name of the package in messages. @default its path alone
 * @throws InputError as findDataMember()
 */
export async function readDeb(
  debPath: string,
  wants: (path: string) => boolean,
  name?: string,
): Promise<readonly TarFile[]> {
  const reader = readTar(wants);
  await readTree(debPath, name, reader.stream);
  return reader.files();
}

/**
 * Unpacks a .deb below a folder. No script of the package runs. Files belong to this user, and have no set-user-ID bits.
 * @param keep whether a file, by its path without "./" at the start, is wanted
 * @param name name of the package in messages
 * @throws InputError as findDataMember(); BuilderError HOST_DISK_FULL, NOT_WRITABLE
 */
export async function unpackDeb(
  debPath: string,
  folder: string,
  keep: (path: string) => boolean,
  name: string,
): Promise<void> {
  const filter = (path: string): boolean => keep(path.replace(/^\.\//, ""));
  await readTree(debPath, name, extractTar(folder, filter), folder);
}

/**
 * Sends the tar archive of a .deb to a reader.
 * @param target what the reader writes, for messages
 */
async function readTree(debPath: string, name: string | undefined, reader: Writable, target = debPath): Promise<void> {
  const { offset, size } = await findDataMember(debPath, name);
  const compressed = createReadStream(debPath, { start: offset, end: offset + size - 1, highWaterMark: 2 ** 20 });
  const unpacked = new xz.XzReadableStream(Readable.toWeb(compressed) as globalThis.ReadableStream<Uint8Array>);
  try {
    await pipeline(Readable.fromWeb(unpacked as ReadableStream<Uint8Array>), reader);
  } catch (error) {
    const failure = writeFailure(target, error);
    if (failure !== error) throw failure;
    throw notWhole(debPath, name, (firstError(error) as Error).message);
  }
}
