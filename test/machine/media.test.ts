/**
 * The boot media that the real stages make from a small image: layout, menu, contents, the same bytes each time.
 * test/scenarios boots them.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { silentStep } from "../../base/progress/progress.js";
import { TempDir } from "../../base/temp-dir.js";
import { runStage, type StageContext } from "../../builder/stages/stage-run.js";
import { type Stage, stages } from "../../builder/stages/stages.js";
import { type Partition, type PartitionTable, partitionTypes, readGpt, SECTOR_BYTES } from "../../fixtures/gpt.js";
import { sandboxLack } from "../../fixtures/sandbox-lack.js";
import { linkHome, openToyBuildContext, TOY_STAMP } from "../../fixtures/toy-stage.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../runner/skip-test.js";

const suiteOfMedia = suite("boot media");
const test = (title: string, body: () => Promise<void>): void => testUnless(suiteOfMedia, title, sandboxLack, body);

/** Incompressible bytes, the same each time. */
const noise = (name: string, bytes: number): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(bytes / 64) }, (_, index) =>
      createHash("sha512").update(`${name} ${index}`).digest(),
    ),
  ).subarray(0, bytes);

/** The files of the small image. */
const image: readonly (readonly [name: string, bytes: Buffer])[] = [
  ["vmlinuz", noise("kernel", 300_000)],
  ["initrd", noise("initrd", 700_001)],
  ["initrd.hash", noise("initrd.hash", 41)],
  ["filesystem.squashfs", noise("root", 3_000_000)],
  ["filesystem.squashfs.hash", noise("root.hash", 41)],
];
const bootFiles = `platform-${TOY_STAMP}/x86_64`;
const isoLabel = `TRITON_${TOY_STAMP}`;
const usbLabel = "T2601020304";

const resources = new DisposableStack();
let context: StageContext;
let layers = "";
let iso: Buffer;
let usb: Buffer;

/** Makes a medium from the image. @param key key of the layer @param abortAt aborts when the output matches */
async function make(name: string, key: string, abortAt?: RegExp): Promise<Buffer> {
  const abort = new AbortController();
  const step = {
    status: (text: string) => {
      if (abortAt?.test(text)) abort.abort(new Error("interrupted"));
    },
    result: () => {},
  };
  const stage = stages.find((candidate) => candidate.name === name) as Stage;
  await runStage({ ...context, signal: abort.signal }, stage, key, ["image"], step, async () => true);
  return await readFile(
    join(layers, key, "fs/image", `triton-${TOY_STAMP}.${name === "create_iso" ? "iso" : "usb.gz"}`),
  );
}

/** Runs a command in a machine with both media; the USB disk is unpacked in the current folder. */
async function look(command: string): Promise<string> {
  await using machine = await context.machines.show({ stamp: TOY_STAMP, stages: ["image", "iso", "usb"] });
  const { stdout, stderr, status } = await machine.ssh.exec(
    `set -e; cd /data/debian-live/${TOY_STAMP}/image; gunzip -k ./*.usb.gz; ${command}`,
  );
  assert.is(status, 0, stderr);
  return stdout.toString();
}

async function makeMedia(): Promise<void> {
  const dir = resources.use(await TempDir.create("media"));
  const buildContext = await openToyBuildContext(await linkHome(dir.path));
  layers = buildContext.home.layers;
  context = await buildContext.ready(TOY_STAMP, resources.use(buildContext.createGateway()));
  await mkdir(join(buildContext.home.builds, TOY_STAMP, "logs"), { recursive: true });
  const place = { stamp: TOY_STAMP, stage: "image", key: "image", below: [] };
  await using machine = await context.machines.begin(place, silentStep);
  await machine.ssh.exec(`cd /data/debian-live/${TOY_STAMP} && mkdir image scratch`);
  for (const [name, bytes] of image) {
    await machine.ssh.exec(`cat >/data/debian-live/${TOY_STAMP}/image/${name}`, { stdin: Readable.from([bytes]) });
  }
  await machine.commit({ stage: "image", durationMs: 0 });
  iso = await make("create_iso", "iso");
  usb = gunzipSync(await make("create_usb", "usb"));
}
if (sandboxLack === undefined) suiteOfMedia.before(makeMedia);
suiteOfMedia.after(() => resources[Symbol.asyncDispose]());

const bytesOf = (disk: Buffer, { first, last }: Pick<Partition, "first" | "last">): Buffer =>
  disk.subarray(first * SECTOR_BYTES, (last + 1) * SECTOR_BYTES);
const only = (table: PartitionTable, type: string): Partition => {
  const found = table.partitions.filter((partition) => partition.type === type);
  assert.is(found.length, 1, `one partition of type ${type}`);
  return found[0] as Partition;
};
const fatLabel = (volume: Buffer): string => volume.toString("latin1", 71, 90).replace(/ +/g, " ");

test("the ISO's label has the stamp, and El Torito has an entry for BIOS and one for UEFI", async () => {
  const sector = (number: number): Buffer => iso.subarray(number * 2048, (number + 1) * 2048);
  assert.is(sector(16).toString("latin1", 1, 6), "CD001");
  assert.is(sector(16).toString("latin1", 40, 72).trimEnd(), isoLabel);
  assert.is(sector(17).toString("latin1", 7, 30), "EL TORITO SPECIFICATION");
  const catalog = sector(sector(17).readUInt32LE(71));
  assert.equal([catalog[0], catalog[1], catalog[32]], [0x01, 0x00, 0x88], "BIOS: the default entry, bootable");
  assert.equal([catalog[64], catalog[65], catalog[96]], [0x91, 0xef, 0x88], "UEFI: the last section, bootable");
  const efi = only(readGpt(iso), partitionTypes.efiSystem);
  assert.is(catalog.readUInt32LE(104) * 4, efi.first, "CD and disk have the same EFI partition");
  assert.is(catalog.readUInt16LE(102), efi.last - efi.first + 1, "all of it is loaded");
});

test("the ISO has a disk's first sector, and a GPT at its start and its end", async () => {
  assert.ok(iso.subarray(0, 440).some((byte) => byte !== 0));
  readGpt(iso);
});

test("the USB disk has GRUB for BIOS, an EFI partition and the data, in a GPT whose copies agree", async () => {
  const { partitions } = readGpt(usb);
  assert.equal(
    partitions.map(({ type }) => type),
    [partitionTypes.biosBoot, partitionTypes.efiSystem, partitionTypes.basicData],
  );
  for (const { first } of partitions) assert.is(first % 2048, 0, "begins at a whole MiB");
});

test("the USB disk's first sector points to GRUB's image, and the image to its remaining blocks", async () => {
  const bios = only(readGpt(usb), partitionTypes.biosBoot);
  const core = bytesOf(usb, bios);
  assert.is(usb.readBigUInt64LE(0x5c), BigInt(bios.first));
  assert.is(core.readBigUInt64LE(0x1f4), BigInt(bios.first + 1));
  const rest = core.subarray(SECTOR_BYTES, (1 + core.readUInt16LE(0x1fc)) * SECTOR_BYTES);
  assert.ok(rest.length > 50_000 && rest.length < core.length - SECTOR_BYTES);
  assert.ok(
    core.subarray(SECTOR_BYTES + rest.length).every((byte) => byte === 0),
    "all of it is loaded",
  );
});

test("the USB disk's file systems are FAT32 with enough clusters for it; the data partition has the label", async () => {
  const table = readGpt(usb);
  for (const type of [partitionTypes.efiSystem, partitionTypes.basicData]) {
    const partition = only(table, type);
    const volume = bytesOf(usb, partition);
    assert.match(fatLabel(volume), /FAT32 $/);
    assert.is(volume.readUInt32LE(32), volume.length / SECTOR_BYTES, "as large as its partition");
    assert.is(volume.readUInt32LE(28), partition.first, "knows where it begins");
    const clusters =
      (volume.readUInt32LE(32) - volume.readUInt16LE(14) - 2 * volume.readUInt32LE(36)) / Number(volume[13]);
    assert.ok(clusters >= 65_525, `${clusters} clusters`);
  }
  assert.match(fatLabel(bytesOf(usb, only(table, partitionTypes.basicData))), usbLabel);
});

test("each medium has the image's files, byte for byte, and its UEFI boot file at the standard path", async () => {
  const efi = only(readGpt(usb), partitionTypes.efiSystem).first * SECTOR_BYTES;
  const data = only(readGpt(usb), partitionTypes.basicData).first * SECTOR_BYTES;
  const said = await look(`mkdir iso usb
    xorriso -report_about SORRY -osirrox on -indev ./*.iso -extract ${bootFiles} iso >/dev/null 2>&1
    disk=$(echo ./*.usb)
    mcopy -i "$disk@@${data}" "::${bootFiles}/*" usb/
    sha256sum iso/* usb/*
    mcopy -i "$disk@@${efi}" ::EFI/BOOT/BOOTX64.EFI - | head -c 2
    xorriso -report_about SORRY -osirrox on -indev ./*.iso -extract boot/grub/efi.img efi.img >/dev/null 2>&1
    mcopy -i efi.img ::EFI/BOOT/BOOTX64.EFI - | head -c 2`);
  const sums = ["iso", "usb"].flatMap((folder) =>
    image
      .map(([name, bytes]) => `${createHash("sha256").update(bytes).digest("hex")}  ${folder}/${name}\n`)
      .sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)),
  );
  assert.is(said, `${sums.join("")}MZMZ`);
});

test("each menu finds its medium by label, names no device, and has the three ways to boot", async () => {
  const efi = only(readGpt(usb), partitionTypes.efiSystem).first * SECTOR_BYTES;
  const data = only(readGpt(usb), partitionTypes.basicData).first * SECTOR_BYTES;
  const said =
    await look(`xorriso -report_about SORRY -osirrox on -indev ./*.iso -extract boot/grub grub >/dev/null 2>&1
    cat grub/grub.cfg; echo ====; mtype -i grub/efi.img ::boot/grub/grub.cfg; echo ====
    for at in ${efi} ${data}; do mtype -i "$(echo ./*.usb)@@$at" ::boot/grub/grub.cfg; echo ====; done`);
  const [fromIso, fromIsoEfi, fromUsbEfi, fromUsb] = said.split("====\n") as [string, string, string, string];
  assert.is(fromIsoEfi, fromIso);
  assert.is(fromUsbEfi, fromUsb);
  assert.is(fromUsb.replaceAll(usbLabel, isoLabel), fromIso, "the two differ in the label alone");
  for (const [menu, label] of [
    [fromIso, isoLabel],
    [fromUsb, usbLabel],
  ] as const) {
    assert.match(menu, new RegExp(`^search --no-floppy --set=root --label ${label}$`, "m"));
    assert.not.match(menu, /\b([hc]d\d|sd[a-z]|vd[a-z]|sr\d|nvme)/);
    const kernels = [...menu.matchAll(/^ {2}linux (.*)$/gm)].map((match) => match[1]);
    const common =
      `/${bootFiles}/vmlinuz boot=live console=tty0 console=ttyS1,115200n8 ` +
      `live-media=/dev/disk/by-label/${label} live-media-path=/${bootFiles}`;
    assert.equal(kernels, [`${common} triton.dhcp-all-nics`, common, `${common} triton.dhcp-all-nics noimport=true`]);
    const initrds = [...menu.matchAll(/^ {2}initrd (.*)$/gm)].map((match) => match[1]);
    const initrd = `/${bootFiles}/initrd /boot/grub/digest.cpio`;
    assert.equal(initrds, [initrd, initrd, initrd]);
  }
});

test("the second initrd of both media has the root's digest under iPXE's name for it, ended with NUL", async () => {
  const data = only(readGpt(usb), partitionTypes.basicData).first * SECTOR_BYTES;
  const said =
    await look(`xorriso -report_about SORRY -osirrox on -indev ./*.iso -extract boot/grub/digest.cpio iso.cpio >/dev/null 2>&1
    mtype -i "$(echo ./*.usb)@@${data}" ::boot/grub/digest.cpio >usb.cpio; cmp iso.cpio usb.cpio
    cpio --quiet --list <iso.cpio; cpio --quiet --extract --to-stdout <iso.cpio | sha256sum; head -c 110 iso.cpio`);
  const name = "filesystem.squashfs.hash";
  const [list, sum, header = ""] = said.split("\n");
  assert.is(list, name);
  const hash = image.find(([file]) => file === name)?.[1] ?? "";
  assert.is(sum, `${createHash("sha256").update(hash).digest("hex")}  -`);
  assert.is(Number.parseInt(header.slice(94, 102), 16), name.length + 1, "its length, with the NUL");
});

test("an interrupted stage leaves nothing, and makes the same bytes when it runs again", async () => {
  for (const [name, abortAt, before] of [
    ["create_iso", /writing the ISO/, iso],
    ["create_usb", /compressing the disk/, usb],
  ] as const) {
    const key = `${name}-again`;
    assert.match(String(await thrownBy(make(name, key, abortAt))), "interrupted");
    assert.is(await context.machines.find(key), undefined);
    const again = await make(name, key);
    assert.ok((name === "create_iso" ? again : gunzipSync(again)).equals(before), name);
  }
});

suiteOfMedia.run();
