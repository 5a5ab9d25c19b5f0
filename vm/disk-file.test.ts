import { mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { UsageError } from "../base/livelab-error.js";
import { runProgram } from "../base/run-program.js";
import { TempDir } from "../base/temp-dir.js";
import { readDiskFile } from "./disk-file.js";

const test = suite("disk file");
const KIB = 1024;

const refusalOf = async (path: string): Promise<UsageError> => {
  try {
    await readDiskFile(path);
  } catch (error) {
    return error as UsageError;
  }
  throw new Error(`${path} is not refused`);
};

/** A file of zeros with parts at the given offsets. */
function bytes(size: number, parts: Readonly<Record<number, string | Buffer>>): Buffer {
  const file = Buffer.alloc(size);
  for (const [at, part] of Object.entries(parts)) {
    (typeof part === "string" ? Buffer.from(part, "latin1") : part).copy(
      file,
      Number(at) < 0 ? size + Number(at) : Number(at),
    );
  }
  return file;
}
const start = (text: string, size = 4 * KIB): Buffer => bytes(size, { 0: text });

/** The header of a tar from before POSIX, for one file. @param sign how the program that wrote it reads a byte above 127 */
function oldTar(name: string, sign: "signed" | "unsigned"): Buffer {
  const header = bytes(KIB, { 0: name, 100: "0000644\0", 124: "00000001000\0", 148: " ".repeat(8) });
  const sum = header.reduce((total, byte) => total + (sign === "signed" && byte > 127 ? byte - 256 : byte), 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

const foreign: readonly (readonly [name: string, content: Buffer, what: RegExp, hint: RegExp])[] = [
  ["sparse.vmdk", start("KDMV\x01\0\0\0"), /VMware/, /qemu-img convert -f vmdk -O qcow2 /],
  ["esx.vmdk", start("COWD\x01\0\0\0"), /VMware/, /-f vmdk/],
  ["descriptor.vmdk", Buffer.from("# Disk DescriptorFile\nversion=1\n"), /VMware/, /-f vmdk/],
  ["comments.vmdk", Buffer.from(`#${"x".repeat(600)}\n  \r\n\n# more\nversion=2\r\nCID=1\n`), /VMware/, /-f vmdk/],
  ["bom.vmdk", Buffer.from("\ufeff# Disk DescriptorFile\nversion=1\n"), /VMware/, /-f vmdk/],
  ["head.vdi", start("<<< Oracle VM VirtualBox Disk Image >>>\n"), /VirtualBox/, /-f vdi/],
  ["qemu.vdi", start("<<< QEMU VM Virtual Disk Image >>>\n"), /VirtualBox/, /-f vdi/],
  ["other.vdi", bytes(KIB, { 64: "\x7f\x10\xda\xbe" }), /VirtualBox/, /-f vdi/],
  ["d.vhdx", start("vhdxfile"), /vhdx/, /-f vhdx/],
  ["dynamic.vhd", start("conectix"), /vhd/, /-f vpc/],
  ["fixed.vhd", bytes(4 * KIB + 512, { [-512]: "conectix" }), /vhd/, /-f vpc/],
  ["old-fixed.vhd", bytes(4 * KIB + 511, { [-511]: "conectix" }), /vhd/, /-f vpc/],
  ["d.qed", start("QED\0"), /QED/, /-f qed/],
  ["d.hdd", start("WithoutFreeSpace"), /Parallels/, /-f parallels/],
  ["new.hdd", start("WithouFreSpacExt"), /Parallels/, /-f parallels/],
  ["d.bochs", start("Bochs Virtual HD Image"), /Bochs/, /-f bochs/],
  ["d.cloop", start("#!/bin/sh\n#V2.0 Format\n"), /cloop/, /-f cloop/],
  ["d.dmg", bytes(4 * KIB, { [-512]: "koly" }), /dmg/, /-f dmg/],
  ["d.asif", start("shdw"), /Apple/, /hdiutil/],
  ["d.cow", start("OOOM"), /User Mode Linux/, /uml_moo/],
  ["d.simg", start("\x3a\xff\x26\xed"), /Android/, /simg2img/],
  ["d.E01", start("EVF\x09\x0d\x0a\xff\0"), /EWF/, /ewfexport/],
  ["d.aff", start("AFF10\r\n\0"), /AFF/, /affconvert -r/],
  ["d.chd", start("MComprHD"), /chd/, /chdman extracthd/],
  ["d.nrg", bytes(4 * KIB, { [-12]: "NER5" }), /nrg/, /nrg2iso/],
  ["old.nrg", bytes(4 * KIB, { [-8]: "NERO" }), /nrg/, /nrg2iso/],
  ["d.vma", start("VMA\0\0\0\0\x01"), /vma/, /vma extract/],
  ["d.pcl", start("partclone-image\x000001"), /partclone/, /partclone\.restore/],
  ["d.ntfs", start("\0ntfsclone-image"), /ntfsclone/, /ntfsclone --restore-image/],
  ["d.gho", start("\xfe\xef\x01"), /Ghost/, /with Ghost/],
  ["d.zfs", bytes(4 * KIB, { 8: "\xac\xcb\xba\xf5\x02" }), /zfs send/, /zfs receive/],
  ["big-endian.zfs", bytes(4 * KIB, { 11: "\x02\xf5\xba\xcb\xac" }), /zfs send/, /zfs receive/],
  ["d.btrfs", start("btrfs-stream\0"), /btrfs send/, /btrfs receive/],
  ["d.raw.gz", start("\x1f\x8b\x08\0"), /gzip/, /gunzip -c .*d\.raw\.gz >disk/],
  ["d.raw.xz", start("\xfd7zXZ\0"), /xz/, /xz -dc/],
  ["d.raw.zst", start("\x28\xb5\x2f\xfd"), /zstd/, /zstd -dc/],
  ["skippable.zst", start("\x52\x2a\x4d\x18"), /zstd/, /zstd -dc/],
  ["d.raw.bz2", start("BZh91AY&SY"), /bzip2/, /bunzip2 -c/],
  ["d.raw.lz4", start("\x04\x22\x4d\x18"), /lz4/, /lz4 -dc/],
  ["d.raw.lzma", start("\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0"), /lzma/, /xz --format=lzma/],
  ["d.raw.lz", start("LZIP\x01"), /lzip/, /lzip -dc/],
  ["d.raw.lrz", start("LRZI\0\x06"), /lrzip/, /lrzip -d/],
  ["d.raw.sz", start("\xff\x06\0\0sNaPpY"), /snappy/, /snzip -dc .*d\.raw\.sz >disk/],
  ["d.cpio", start("070701"), /cpio/, /cpio -idF/],
  ["odc.cpio", start("070707"), /cpio/, /cpio -idF/],
  ["d.deb", start("!<arch>\n"), /\(ar\)/, /ar x/],
  ["d.cab", start("MSCF\0\0\0\0"), /cab/, /cabextract/],
  ["d.xar", start("xar!"), /xar/, /xar -xf/],
  ["d.rpm", start("\xed\xab\xee\xdb"), /rpm/, /rpm2cpio .*d\.rpm \| cpio/],
  ["d.zip", start("PK\x03\x04"), /zip/, /unzip/],
  ["d.7z", start("7z\xbc\xaf\x27\x1c"), /7z/, /7z x/],
  ["d.ova", bytes(10 * KIB, { 0: "d.ovf", 257: "ustar" }), /tar/, /tar -xf/],
  ["v7.tar", oldTar("d.img", "unsigned"), /tar/, /tar -xf/],
  ["signed.tar", oldTar("d\xe4.img", "signed"), /tar/, /tar -xf/],
];

test("another program's disk, an archive or a compressed file is refused with the command that converts it", async () => {
  await using dir = await TempDir.create("disk-file");
  for (const [name, content, what, hint] of foreign) {
    const path = join(dir.path, name);
    await writeFile(path, content);
    const { kind, code, message, hint: said = "" } = await refusalOf(path);
    assert.equal([kind, code], ["usage", "DISK_UNUSABLE"], name);
    assert.match(message, `cannot use the disk ${path}: it is `);
    assert.match(message, what, name);
    assert.match(said, hint, name);
    assert.equal(await readFile(path), content, `${name} is untouched`);
  }
});

test("the command in a hint quotes a path with spaces", async () => {
  await using dir = await TempDir.create("disk-file");
  const path = join(dir.path, "my disk.vmdk");
  await writeFile(path, start("KDMV"));
  assert.match((await refusalOf(path)).hint ?? "", `-f vmdk -O qcow2 '${path}' disk.qcow2`);
});

test("a raw disk may contain zeros, a partition table, a file system, LUKS, an ISO or text", async () => {
  await using dir = await TempDir.create("disk-file");
  for (const [name, content] of [
    ["zeros", Buffer.alloc(512)],
    ["mbr", bytes(KIB, { 510: "\x55\xaa" })],
    ["gpt", bytes(4 * KIB, { 510: "\x55\xaa", 512: "EFI PART" })],
    ["ext4", bytes(4 * KIB, { 1080: "\x53\xef" })],
    ["squashfs", start("hsqs")],
    ["luks", start("LUKS\xba\xbe\0\x02")],
    ["iso", bytes(40 * KIB, { 32769: "CD001" })],
    ["text", start("BZh of course, and more")],
    ["configuration", start("# version=1\nname=version=1\n")],
    ["octal digits", bytes(KIB, { 148: "000400\0 " })],
  ] as const) {
    const path = join(dir.path, name);
    await writeFile(path, content);
    assert.equal(await readDiskFile(path), { path, format: "raw", backing: [], dataFile: undefined }, name);
  }
});

test("an empty file, a partial sector, a folder, a device, a pipe, a socket and a missing file are refused", async () => {
  await using dir = await TempDir.create("disk-file");
  const inside = (name: string): string => join(dir.path, name);
  await writeFile(inside("empty"), "");
  await writeFile(inside("odd"), Buffer.alloc(1000));
  await mkdir(inside("folder"));
  await runProgram("mkfifo", [inside("pipe")]);
  await symlink(inside("nowhere"), inside("link"));
  const server = createServer().listen(inside("socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    for (const [name, code, why] of [
      ["empty", "DISK_UNUSABLE", /it is empty/],
      ["odd", "DISK_UNUSABLE", /its size, 1000 bytes, is not a multiple/],
      ["folder", "DISK_UNUSABLE", /it is a folder/],
      ["pipe", "DISK_UNUSABLE", /it is a pipe/],
      ["socket", "DISK_UNUSABLE", /it is a socket/],
      ["link", "DISK_UNREADABLE", /ENOENT/],
    ] as const) {
      const error = await refusalOf(inside(name));
      assert.equal([error.kind, error.code], ["usage", code], name);
      assert.match(error.message, why);
      assert.ok(error.hint, name);
    }
    assert.match((await refusalOf("/dev/null")).message, "it is a character device");
    assert.is((await stat(inside("empty"))).size, 0);
  } finally {
    server.close();
  }
});

interface Qcow2 {
  readonly version?: number;
  readonly backing?: string;
  readonly encryption?: number;
  readonly incompatible?: bigint;
  readonly dataFile?: string;
}

/** The header of a qcow2 file. Source: QEMU docs/interop/qcow2.rst. */
function qcow2({ version = 3, backing = "", encryption = 0, incompatible = 0n, dataFile }: Qcow2): Buffer {
  const file = Buffer.alloc(64 * KIB);
  file.write("QFI\xfb", 0, "latin1");
  file.writeUInt32BE(version, 4);
  file.writeBigUInt64BE(backing === "" ? 0n : 1024n, 8);
  file.writeUInt32BE(backing.length, 16);
  file.writeUInt32BE(encryption, 32);
  file.writeBigUInt64BE(incompatible, 72);
  file.writeUInt32BE(104, 100);
  file.writeUInt32BE(0x6803f857, 104); // the feature name table, which the parser skips
  file.writeUInt32BE(5, 108);
  if (dataFile !== undefined) {
    file.writeUInt32BE(0x44415441, 120);
    file.writeUInt32BE(dataFile.length, 124);
    file.write(dataFile, 128);
  }
  file.write(backing, 1024);
  return file;
}

test("readDiskFile lists the backing files and the data file of a qcow2 disk", async () => {
  await using dir = await TempDir.create("disk-file");
  const inside = (name: string): string => join(dir.path, name);
  for (const [name, content] of [
    ["base.raw", Buffer.alloc(512)],
    ["lower.qcow2", qcow2({ backing: inside("base.raw"), version: 2 })],
    ["upper.qcow2", qcow2({ backing: "lower.qcow2" })],
    ["file.qcow2", qcow2({ backing: "file:base.raw" })],
    ["data.qcow2", qcow2({ incompatible: 4n, dataFile: "base.raw" })],
    ["alone.qcow2", qcow2({})],
    ["short.qcow2", Buffer.from("QFI\xfb", "latin1")],
  ] as const) {
    await writeFile(inside(name), content);
  }
  const filesOf = async (name: string) => {
    const { format, backing, dataFile } = await readDiskFile(inside(name));
    assert.is(format, "qcow2");
    return [backing, dataFile];
  };
  assert.equal(await filesOf("upper.qcow2"), [[inside("lower.qcow2"), inside("base.raw")], undefined]);
  assert.equal(await filesOf("file.qcow2"), [[inside("base.raw")], undefined]);
  assert.equal(await filesOf("data.qcow2"), [[], inside("base.raw")]);
  assert.equal(await filesOf("alone.qcow2"), [[], undefined]);
  assert.equal(await filesOf("short.qcow2"), [[], undefined], "QEMU reports the error");
});

test("a qcow2 disk that a machine cannot write to, or whose files are missing, is refused", async () => {
  await using dir = await TempDir.create("disk-file");
  const path = join(dir.path, "disk");
  for (const [header, code, why, hint] of [
    [{ version: 1 }, "DISK_UNUSABLE", /first format \(qcow\)/, /qemu-img convert -f qcow -O qcow2/],
    [{ version: 4 }, "DISK_UNUSABLE", /qcow2 of version 4/, /qemu-img convert/],
    [{ encryption: 2 }, "DISK_UNUSABLE", /it is encrypted/, /qemu-img convert/],
    [{ incompatible: 2n }, "DISK_UNUSABLE", /marked it as corrupt/, /qemu-img check -r all/],
    [{ backing: "gone.raw" }, "DISK_UNREADABLE", /is an overlay of .*gone\.raw: ENOENT/, /qemu-img rebase/],
    [{ backing: "disk" }, "DISK_UNUSABLE", /form a loop/, /qemu-img convert/],
    [{ backing: "nbd://10.0.0.1/x" }, "DISK_UNUSABLE", /not a file of this host: nbd:/, /qemu-img convert/],
    [{ backing: 'json:{"driver":"http"}' }, "DISK_UNUSABLE", /not a file of this host: json:/, /qemu-img convert/],
    [{ incompatible: 4n }, "DISK_UNUSABLE", /the header does not name it/, /qemu-img convert/],
    [{ incompatible: 4n, dataFile: "gone" }, "DISK_UNREADABLE", /keeps its data in .*gone/, /restore that file/],
  ] as const) {
    await writeFile(path, qcow2(header));
    const error = await refusalOf(path);
    assert.equal([error.kind, error.code], ["usage", code], error.message);
    assert.match(error.message, why);
    assert.match(error.hint ?? "", hint);
  }
});

test.run();
