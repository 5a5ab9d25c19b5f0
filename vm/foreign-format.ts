/**
 * Recognizes disk files that are not raw or qcow2 images: formats of other programs, archives and compressed files. Used as a
 * raw disk, such a file would show garbage to the guest, and the guest would overwrite it.
 * Sources: qemu-img's block/{vmdk,vdi,vhdx,vpc,qed,parallels,qcow,cloop,bochs,dmg}.c; RFC 1952 (gzip); the xz, zstd, bzip2, lz4
 * and 7z format descriptions; APPNOTE.TXT (zip); ustar(5); libewf (EWF); Android's sparse_format.h.
 */
import type { FileHandle } from "node:fs/promises";
import { quoteWord } from "../base/command-line.js";

export interface ForeignFormat {
  /** What the file is, e.g. "a VMware disk (vmdk)". */
  readonly what: string;
  /** The command that converts it to a disk. */
  readonly remedy: string;
}

interface Signature {
  readonly what: string;
  /** @param path a word quoted for the shell */
  readonly remedy: (path: string) => string;
  readonly isIt: (head: Buffer, tail: Buffer) => boolean;
}

/** Number of bytes that are read from the beginning of the file. */
const HEAD_BYTES = 512;
/** Number of bytes that are read from the end. A fixed VHD has its only header there; old programs wrote one byte less. */
const TAIL_BYTES = 512;

const startsWith =
  (...texts: readonly string[]) =>
  (head: Buffer): boolean =>
    texts.some((text) => head.toString("latin1", 0, text.length) === text);
const endsWith =
  (text: string) =>
  (_head: Buffer, tail: Buffer): boolean =>
    [TAIL_BYTES, TAIL_BYTES - 1].some(
      (distance) =>
        distance <= tail.length &&
        tail.toString("latin1", tail.length - distance, tail.length - distance + text.length) === text,
    );
const anyOf =
  (...tests: readonly Signature["isIt"][]): Signature["isIt"] =>
  (head, tail) =>
    tests.some((test) => test(head, tail));

const convert =
  (format: string) =>
  (path: string): string =>
    `qemu-img convert -f ${format} -O qcow2 ${path} disk.qcow2`;
const unpack =
  (command: string) =>
  (path: string): string =>
    `${command} ${path}${/ -d?c$/.test(command) ? " >disk" : ""}`;

const signatures: readonly Signature[] = [
  {
    what: "a VMware disk (vmdk)",
    remedy: convert("vmdk"),
    isIt: startsWith("KDMV", "COWD", "# Disk DescriptorFile"),
  },
  {
    what: "a VirtualBox disk (vdi)",
    remedy: convert("vdi"),
    isIt: anyOf(
      (head) => /^<<< .*Disk Image/.test(head.toString("latin1", 0, 64)),
      (head) => head.length >= 68 && head.readUInt32LE(64) === 0xbeda107f,
    ),
  },
  { what: "a Hyper-V disk (vhdx)", remedy: convert("vhdx"), isIt: startsWith("vhdxfile") },
  {
    what: "a Virtual PC or Hyper-V disk (vhd)",
    remedy: convert("vpc"),
    isIt: anyOf(startsWith("conectix"), endsWith("conectix")),
  },
  { what: "a QED disk", remedy: convert("qed"), isIt: startsWith("QED\0") },
  {
    what: "a Parallels disk",
    remedy: convert("parallels"),
    isIt: startsWith("WithoutFreeSpace", "WithouFreSpacExt"),
  },
  { what: "a Bochs disk", remedy: convert("bochs"), isIt: startsWith("Bochs Virtual HD Image") },
  { what: "a compressed loop image (cloop)", remedy: convert("cloop"), isIt: startsWith("#!/bin/sh\n#V2.0 Format") },
  { what: "an Apple disk image (dmg)", remedy: convert("dmg"), isIt: endsWith("koly") },
  {
    what: "an Apple sparse image",
    remedy: (path) => `hdiutil convert -format UDTO -o disk ${path}, on a Mac`,
    isIt: startsWith("shdw", "sprs"),
  },
  { what: "a User Mode Linux disk (cow)", remedy: (path) => `uml_moo ${path} disk.raw`, isIt: startsWith("OOOM") },
  {
    what: "an Android sparse image",
    remedy: (path) => `simg2img ${path} disk.raw`,
    isIt: startsWith("\x3a\xff\x26\xed"),
  },
  {
    what: "a forensic image (EWF)",
    remedy: (path) => `ewfexport ${path}`,
    isIt: startsWith("EVF\x09\x0d\x0a\xff", "EVF2\x0d\x0a\x81"),
  },
  { what: "a Windows image (wim)", remedy: (path) => `wimapply ${path}, onto a disk`, isIt: startsWith("MSWIM\0\0\0") },
  { what: "compressed (gzip)", remedy: unpack("gunzip -c"), isIt: startsWith("\x1f\x8b") },
  { what: "compressed (xz)", remedy: unpack("xz -dc"), isIt: startsWith("\xfd7zXZ\0") },
  {
    what: "compressed (zstd)",
    remedy: unpack("zstd -dc"),
    // A frame, or a skippable frame before it.
    isIt: (head) =>
      head.length >= 4 && (head.readUInt32LE(0) === 0xfd2fb528 || head.readUInt32LE(0) >>> 4 === 0x184d2a5),
  },
  {
    what: "compressed (bzip2)",
    remedy: unpack("bunzip2 -c"),
    isIt: (head) => /^BZh[1-9](?:1AY&SY|\x17rE8P\x90)/.test(head.toString("latin1", 0, 10)),
  },
  { what: "compressed (lz4)", remedy: unpack("lz4 -dc"), isIt: startsWith("\x04\x22\x4d\x18", "\x02\x21\x4c\x18") },
  { what: "compressed (lzip)", remedy: unpack("lzip -dc"), isIt: startsWith("LZIP\x01", "LZIP\0") },
  { what: "compressed (lzop)", remedy: unpack("lzop -dc"), isIt: startsWith("\x89LZO\0\r\n\x1a\n") },
  { what: "compressed (lzma)", remedy: unpack("xz --format=lzma -dc"), isIt: isLzma },
  { what: "compressed (compress)", remedy: unpack("gunzip -c"), isIt: startsWith("\x1f\x9d") },
  { what: "an archive (zip)", remedy: unpack("unzip"), isIt: startsWith("PK\x03\x04", "PK\x05\x06", "PK\x07\x08") },
  { what: "an archive (7z)", remedy: unpack("7z x"), isIt: startsWith("7z\xbc\xaf\x27\x1c") },
  { what: "an archive (rar)", remedy: unpack("unrar x"), isIt: startsWith("Rar!\x1a\x07") },
  {
    what: "an archive (tar, as OVA files are)",
    remedy: unpack("tar -xf"),
    isIt: (head) => head.toString("latin1", 257, 262) === "ustar",
  },
];

/** Checks for the usual properties, a dictionary size that is a power of two, and a size that is unknown or below 256 TiB. */
function isLzma(head: Buffer): boolean {
  if (head.length < 14 || head[0] !== 0x5d) return false;
  const dictionary = head.readUInt32LE(1);
  const size = head.readBigUInt64LE(5);
  const sizeIsPlausible = size === 0xffff_ffff_ffff_ffffn || (size > 0n && size < 2n ** 48n);
  return dictionary >= 4096 && (dictionary & (dictionary - 1)) === 0 && sizeIsPlausible && head[13] === 0;
}

/**
 * Recognizes a file that cannot be a machine's disk, by its first and last bytes.
 * A disk with a partition table, a file system, LUKS or an ISO 9660 is a raw disk.
 * @param path the path in the remedy
 * @returns undefined for a raw or qcow2 disk
 */
export async function findForeignFormat(file: FileHandle, path: string): Promise<ForeignFormat | undefined> {
  const { size } = await file.stat();
  const read = async (length: number, position: number): Promise<Buffer> => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  };
  const head = await read(HEAD_BYTES, 0);
  const tail = await read(Math.min(TAIL_BYTES, size), Math.max(0, size - TAIL_BYTES));
  const found = signatures.find(({ isIt }) => isIt(head, tail));
  return found && { what: found.what, remedy: found.remedy(quoteWord(path)) };
}
