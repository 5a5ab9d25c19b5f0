/**
 * Writes a cpio archive, the format of an initramfs. All entries belong to root and have the time 0, so the same entries
 * always give the same bytes.
 * Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst ("newc").
 */

import type { TarFile } from "../../home/tar-stream.js";

const TYPES = { folder: 0o040000, file: 0o100000, symlink: 0o120000 } as const;
const SYMLINK_MODE = 0o777;
/** Names and contents end at multiples of this, in bytes. */
const ALIGNMENT = 4;
const END = "TRAILER!!!";

/** Writes an archive with the entries in their order; folders must come before what they contain. @yields the bytes of one entry */
export async function* cpioArchive(entries: AsyncIterable<TarFile>): AsyncGenerator<Buffer> {
  let inode = 0;
  for await (const entry of entries) {
    inode += 1;
    const content = contentOf(entry);
    const mode = TYPES[entry.kind] | (entry.kind === "symlink" ? SYMLINK_MODE : entry.mode);
    yield padded(header({ inode, mode, links: entry.kind === "folder" ? 2 : 1, size: content.length }, entry.path));
    yield padded(content);
  }
  yield padded(header({ inode: 0, mode: 0, links: 1, size: 0 }, END));
}

function contentOf(entry: TarFile): Buffer {
  switch (entry.kind) {
    case "folder":
      return Buffer.alloc(0);
    case "file":
      return entry.content;
    case "symlink":
      return Buffer.from(entry.target);
    default:
      return entry satisfies never;
  }
}

interface Facts {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  /** Size of the content in bytes. */
  readonly size: number;
}

/** The fields are hexadecimal numbers of eight digits; the owners, the time, the devices and the checksum are 0. */
function header({ inode, mode, links, size }: Facts, path: string): Buffer {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name.length, 0];
  const digits = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  return Buffer.concat([Buffer.from(`070701${digits}`), name]);
}

const padded = (bytes: Buffer): Buffer => {
  const over = bytes.length % ALIGNMENT;
  return over === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(ALIGNMENT - over)]);
};
