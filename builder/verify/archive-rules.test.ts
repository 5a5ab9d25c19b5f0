import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gunzipSync, gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { makeToyPlatform, PLATFORM_STAMP, toyKernel } from "../../fixtures/toy-platform.js";
import { encodeUstar, type UstarEntry } from "../../fixtures/ustar.js";
import { installerStamp, verifyArchive } from "./archive-rules.js";
import { readUstar } from "./ustar-stream.js";

const test = suite("archive rules");
const TOP = `platform-${PLATFORM_STAMP}`;
const ARCHIVE = `${TOP}.tgz`;

const base = await TempDir.create("archive");
test.after(() => base[Symbol.asyncDispose]());
const archive = await readFile(join(await makeToyPlatform(base.path), ARCHIVE));
const entries: UstarEntry[] = [];
for await (const { header, content } of readUstar(Readable.from([gunzipSync(archive)]))) {
  const parts: Buffer[] = [];
  for await (const part of content) parts.push(part);
  entries.push({ ...header, content: Buffer.concat(parts) });
}

/** File and rule of each violation, one line each. */
const rulesOf = async (path: string): Promise<string> =>
  (await verifyArchive(path)).violations.map(({ file, rule }) => `${file}: ${rule}`).join("\n");

type Change = (all: UstarEntry[]) => UstarEntry[];

/** Writes the archive after a change. @returns its path */
async function repack(change: Change, name = ARCHIVE): Promise<string> {
  await writeFile(join(base.path, name), gzipSync(encodeUstar(change(entries))));
  return join(base.path, name);
}

const fileEntry = (name: string, content: string | Buffer): UstarEntry => ({
  name: `${TOP}/${name}`,
  type: "0",
  mode: 0o644,
  uid: 0,
  content: Buffer.from(content),
});
const contentOf = (file: string): Buffer => entries.find(({ name }) => name === `${TOP}/${file}`)?.content as Buffer;
const alter =
  (file: string, altered: Partial<UstarEntry>): Change =>
  (all) =>
    all.map((entry) => (entry.name === `${TOP}/${file}` ? { ...entry, ...altered } : entry));
const put = (file: string, content: string | Buffer): Change => alter(file, { content: Buffer.from(content) });
const edit = (file: string, edited: (text: string) => string): Change =>
  put(file, edited(contentOf(file).toString("latin1")));
const drop =
  (file: string): Change =>
  (all) =>
    all.filter(({ name }) => name !== `${TOP}/${file}`);
const add =
  (entry: UstarEntry): Change =>
  (all) => [...all, entry];
const allWith =
  (altered: Partial<UstarEntry>): Change =>
  (all) =>
    all.map((entry) => ({ ...entry, ...altered }));

test("archives that break the installer or the booter are reported with member and rule", async () => {
  const cases: [string, Change, RegExp][] = [
    ["no change", (all) => all, /^$/],
    [
      "another top folder",
      (all) => all.map((entry) => ({ ...entry, name: entry.name.replace(TOP, "platform") })),
      /: its one top folder is platform-2026/,
    ],
    [
      "two top folders",
      add({ ...fileEntry("", ""), name: "more/", type: "5", mode: 0o755 }),
      /: its one top folder is platform-2026/,
    ],
    [
      "one hash of two",
      drop("x86_64/initrd.hash"),
      /initrd\.hash: initrd\.hash and filesystem\.squashfs\.hash are both present or both absent/,
    ],
    [
      "a hash with a file name",
      edit("x86_64/initrd.hash", (text) => `${text}initrd`),
      /initrd\.hash: a hash file is 40 hexadecimal digits/,
    ],
    [
      "the hash of another file",
      put("x86_64/initrd.hash", contentOf("x86_64/build.tgz.hash")),
      /x86_64\/initrd: it has the SHA-1 in initrd\.hash/,
    ],
    ["a mode for the owner only", alter("x86_64/initrd", { mode: 0o600 }), /x86_64\/initrd: modes are 755/],
    ["another owner", allWith({ uid: 1000 }), /: the owner is root/],
    [
      "pax headers",
      (all) => [{ ...fileEntry("x", "20 comment=something\n"), type: "x" }, ...all],
      /: members are files and folders/,
    ],
    ["GNU's format", allWith({ magic: "ustar  \0" }), /: headers are ustar/],
    ["a link", add({ ...fileEntry("x86_64/initrd.img", ""), type: "2" }), /initrd\.img: members are files and folders/],
    ["a file too many", add(fileEntry("README", "")), /README: the archive contains only the documented layout/],
    ["a file twice", add(fileEntry("x86_64/initrd", "")), /x86_64\/initrd: every path is in the archive once/],
    ["no kernel", drop("x86_64/vmlinuz"), /vmlinuz: every file of the documented layout exists/],
    [
      "another kernel",
      put("x86_64/vmlinuz", toyKernel("6.1.0-2-amd64")),
      /filesystem\.manifest: the squashfs has the modules of vmlinuz/,
    ],
    ["a file that is not a kernel", put("x86_64/vmlinuz", "#!/bin/sh\n"), /vmlinuz: vmlinuz is a Linux kernel/],
    [
      "no squashfs",
      put("x86_64/filesystem.squashfs", "x".repeat(999)),
      /filesystem\.squashfs: filesystem\.squashfs is a squashfs/,
    ],
    [
      "a squashfs cut short",
      put("x86_64/filesystem.squashfs", contentOf("x86_64/filesystem.squashfs").subarray(0, 95)),
      /filesystem\.squashfs: filesystem\.squashfs is a squashfs/,
    ],
    [
      "a manifest of another image",
      edit("x86_64/filesystem.manifest", (text) => text.replace(/^.*zpool.*\n/m, "")),
      /filesystem\.squashfs: the squashfs contains the paths that filesystem\.manifest lists/,
    ],
    [
      "a manifest that is not sorted",
      edit("x86_64/filesystem.manifest", (text) => `${text}./a type=dir mode=0755 uid=0 gid=0\n`),
      /filesystem\.manifest: a manifest has every path in mtree/,
    ],
    [
      "a package that is not installed",
      edit("x86_64/filesystem.packages", (text) => `${text}zzz 1\n`),
      /filesystem\.manifest: every package/,
    ],
    [
      "another build.tgz",
      edit("x86_64/build.tgz.manifest", (text) => text.replace(/sha256digest=./, "sha256digest=-")),
      /build\.tgz: build\.tgz contains the files that build\.tgz\.manifest lists/,
    ],
    [
      "the stamp of another release",
      put("etc/version/platform", "20270102T030405Z\n"),
      /version\/platform: it is the stamp 2026/,
    ],
    ["a stamp without newline", put("etc/version/platform", PLATFORM_STAMP), /version\/platform: it is the stamp 2026/],
    [
      "gitstatus with a quote in it",
      put("etc/version/gitstatus", '[{"repo": "a"b", "rev": ""}]\n'),
      /gitstatus: it is a JSON array/,
    ],
    ["another os-release", put("etc/version/os-release", "ID=debian\n"), /os-release: it names release/],
  ];
  for (const [what, change, expected] of cases) assert.match(await rulesOf(await repack(change)), expected, what);
  assert.match(
    await rulesOf(await repack((all) => all, "platform-latest.tgz")),
    /: its name is platform\.tgz, or platform-<stamp>\.tgz/,
  );
});

test("archives whose stream ends too early or too late are reported", async () => {
  const bytes = gunzipSync(archive);
  const cases: [string, Buffer, RegExp][] = [
    [
      "two gzip members",
      Buffer.concat([gzipSync(bytes.subarray(0, 5000)), gzipSync(bytes.subarray(5000))]),
      /: it is one gzip member/,
    ],
    ["cut short", archive.subarray(0, -100), /: the archive can be unpacked completely/],
    [
      "bytes after the tar stream",
      gzipSync(Buffer.concat([bytes, Buffer.from("x")])),
      /: the archive can be unpacked completely/,
    ],
    ["a tar stream without its end", gzipSync(bytes.subarray(0, 512)), /: the archive can be unpacked completely/],
    ["no gzip", bytes, /: the archive can be unpacked completely/],
    ["nothing", Buffer.alloc(0), /: the archive can be unpacked completely/],
  ];
  for (const [what, content, expected] of cases) {
    await writeFile(join(base.path, ARCHIVE), content);
    assert.match(await rulesOf(join(base.path, ARCHIVE)), expected, what);
  }
});

test("the report names the member with a changed byte, although the archive cannot be read to its end", async () => {
  const large = Buffer.alloc(2 ** 21, "squashfs");
  const hash = `${createHash("sha1").update(large).digest("hex")}\n`;
  // Another member must follow the damaged one, because the checksum's error discards the last one.
  const path = await repack((all) =>
    ["x86_64/filesystem.squashfs", "x86_64/initrd"].reduce(
      (changed, name) => put(`${name}.hash`, hash)(put(name, large)(changed)),
      all,
    ),
  );
  const stored = gzipSync(gunzipSync(await readFile(path)), { level: 0 });
  await writeFile(path, stored);
  assert.not.match(await rulesOf(path), "it has the SHA-1 in");
  const place = stored.indexOf("squashfssquashfs") + 1000;
  stored.writeUInt8((stored[place] ?? 0) ^ 1, place);
  await writeFile(path, stored);
  const found = await rulesOf(path);
  assert.match(found, `${ARCHIVE}: the archive can be unpacked completely`);
  assert.match(found, `${ARCHIVE}: x86_64/filesystem.squashfs: it has the SHA-1 in filesystem.squashfs.hash`);
});

test("installerStamp reads the stamp from a name as the installer does", () => {
  assert.is(installerStamp(`platform-${PLATFORM_STAMP}.tgz`), PLATFORM_STAMP);
  assert.is(installerStamp("platform-master-20260102t030405z.tgz"), PLATFORM_STAMP);
  for (const name of [
    "platform.tgz",
    "platform-latest.tgz",
    `platform-${PLATFORM_STAMP}.tar.gz`,
    `debian-live-${PLATFORM_STAMP}.usb.gz`,
    "platform-20261302T030405Z.tgz",
  ]) {
    assert.is(installerStamp(name), undefined, name);
  }
});

test.run();
