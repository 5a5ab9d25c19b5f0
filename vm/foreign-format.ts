/**
 * Recognizes disk files that are not raw or qcow2 images: formats of other programs, archives and compressed files. Used as a
 * raw disk, such a file would show garbage to the guest, and the guest would overwrite it.
 * Sources: qemu-img's block/{vmdk,vdi,vhdx,vpc,qed,parallels,qcow,cloop,bochs,dmg}.c; RFC 1952 (gzip); the xz, zstd, bzip2, lz4
 * and 7z format descriptions; APPNOTE.TXT (zip); tar(5), cpio(5) and ar(5) of libarchive; libewf (EWF); afflib (AFF);
 * Android's sparse_format.h; Proxmox' vma_spec.txt; partclone's partclone.h; ntfs-3g's ntfsclone.c; OpenZFS' zfs_ioctl.h
 * (DMU_BACKUP_MAGIC); Linux fs/btrfs/send.h; MAME's chd.h; file(1)'s magic (Ghost, CAB, RPM, xar, lrzip, snappy, NRG).
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

/** Number of bytes that are read from the beginning of the file: a vmdk descriptor may begin with comments. */
const HEAD_BYTES = 4096;
/** Number of bytes that are read from the end. */
const TAIL_BYTES = 512;

const startsWith =
  (...texts: readonly string[]) =>
  (head: Buffer): boolean =>
    texts.some((text) => head.toString("latin1", 0, text.length) === text);
/** Looks for the text at these distances from the end. */
const nearEnd =
  (text: string, ...distances: readonly number[]) =>
  (_head: Buffer, tail: Buffer): boolean =>
    distances.some(
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
    isIt: anyOf(startsWith("KDMV", "COWD", "# Disk DescriptorFile"), isVmdkDescriptor),
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
    // A fixed VHD has its only header at the end; old programs wrote one byte less.
    isIt: anyOf(startsWith("conectix"), nearEnd("conectix", 512, 511)),
  },
  { what: "a QED disk", remedy: convert("qed"), isIt: startsWith("QED\0") },
  {
    what: "a Parallels disk",
    remedy: convert("parallels"),
    isIt: startsWith("WithoutFreeSpace", "WithouFreSpacExt"),
  },
  { what: "a Bochs disk", remedy: convert("bochs"), isIt: startsWith("Bochs Virtual HD Image") },
  { what: "a compressed loop image (cloop)", remedy: convert("cloop"), isIt: startsWith("#!/bin/sh\n#V2.0 Format") },
  { what: "an Apple disk image (dmg)", remedy: convert("dmg"), isIt: nearEnd("koly", 512) },
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
  { what: "a forensic image (AFF)", remedy: (path) => `affconvert -r ${path}`, isIt: startsWith("AFF10\r\n\0") },
  { what: "a MAME disk (chd)", remedy: (path) => `chdman extracthd -i ${path} -o disk`, isIt: startsWith("MComprHD") },
  {
    what: "a CD image of Nero (nrg)",
    remedy: (path) => `nrg2iso ${path} disk.iso`,
    isIt: anyOf(nearEnd("NER5", 12), nearEnd("NERO", 8)),
  },
  { what: "a backup of Proxmox (vma)", remedy: (path) => `vma extract ${path} FOLDER`, isIt: startsWith("VMA\0") },
  {
    what: "an image of partclone",
    remedy: (path) => `partclone.restore -W -s ${path} -O disk`,
    isIt: startsWith("partclone-image"),
  },
  {
    what: "an image of ntfsclone",
    remedy: (path) => `ntfsclone --restore-image --overwrite disk ${path}`,
    isIt: startsWith("\0ntfsclone-image"),
  },
  {
    what: "an image of Ghost",
    remedy: (path) => `restore ${path} with Ghost, onto a disk`,
    isIt: startsWith("\xfe\xef\x01"),
  },
  {
    what: "a stream of zfs send",
    remedy: (path) => `zfs receive POOL/DISK <${path}, then copy the volume`,
    isIt: (head) => head.length >= 16 && [head.readBigUInt64LE(8), head.readBigUInt64BE(8)].includes(0x2_f5ba_cbacn),
  },
  {
    what: "a stream of btrfs send",
    remedy: (path) => `btrfs receive -f ${path} FOLDER`,
    isIt: startsWith("btrfs-stream\0"),
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
  { what: "compressed (lrzip)", remedy: unpack("lrzip -d -o disk"), isIt: startsWith("LRZI") },
  { what: "compressed (snappy)", remedy: unpack("snzip -dc"), isIt: startsWith("\xff\x06\0\0sNaPpY") },
  { what: "an archive (zip)", remedy: unpack("unzip"), isIt: startsWith("PK\x03\x04", "PK\x05\x06", "PK\x07\x08") },
  { what: "an archive (7z)", remedy: unpack("7z x"), isIt: startsWith("7z\xbc\xaf\x27\x1c") },
  { what: "an archive (rar)", remedy: unpack("unrar x"), isIt: startsWith("Rar!\x1a\x07") },
  { what: "an archive (cpio)", remedy: unpack("cpio -idF"), isIt: startsWith("070701", "070702", "070707") },
  { what: "an archive (ar)", remedy: unpack("ar x"), isIt: startsWith("!<arch>\n") },
  { what: "an archive (cab)", remedy: unpack("cabextract"), isIt: startsWith("MSCF\0\0\0\0") },
  { what: "an archive (xar)", remedy: unpack("xar -xf"), isIt: startsWith("xar!") },
  { what: "a package (rpm)", remedy: (path) => `rpm2cpio ${path} | cpio -id`, isIt: startsWith("\xed\xab\xee\xdb") },
  {
    what: "an archive (tar, as OVA files are)",
    remedy: unpack("tar -xf"),
    isIt: anyOf((head) => head.toString("latin1", 257, 262) === "ustar", hasTarChecksum),
  },
];

/** Looks for `version=` after comments and blank lines, like QEMU's vmdk_probe(), and after an editor's byte order mark. */
function isVmdkDescriptor(head: Buffer): boolean {
  return /^(?:\xef\xbb\xbf)?(?:#[^\n]*\n|[ \t]*\r?\n)*version=[123]\r?\n/.test(head.toString("latin1"));
}

/**
 * Recognizes a tar from before POSIX, which has no magic. The checksum is the sum of the header's bytes with blanks in the
 * checksum's place, as octal digits; some old programs added signed bytes.
 */
function hasTarChecksum(head: Buffer): boolean {
  if (head.length < 512 || head[0] === 0) return false;
  const [, digits] = /^[ 0]*([0-7]+)[ \0]*$/.exec(head.toString("latin1", 148, 156)) ?? [];
  if (digits === undefined) return false;
  const header = Buffer.from(head.subarray(0, 512)).fill(" ", 148, 156);
  const sumOf = (bytes: Iterable<number>): number => [...bytes].reduce((sum, byte) => sum + byte, 0);
  return [sumOf(header), sumOf(new Int8Array(header))].includes(Number.parseInt(digits, 8));
}

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
