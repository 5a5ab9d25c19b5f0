import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFile, chmod, cp, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeToyPlatform, PLATFORM_STAMP, toyKernel } from "../../fixtures/toy-platform.js";
import { TempDir } from "../../vm/temp-dir.js";
import { installerStamp, verifyArchive } from "./archive-rules.js";

const test = suite("archive rules");
const run = promisify(execFile);
const TOP = `platform-${PLATFORM_STAMP}`;
const ARCHIVE = `${TOP}.tgz`;

const base = await TempDir.create("archive");
const archive = await readFile(join(await makeToyPlatform(base.path), ARCHIVE));
const unpacked = join(base.path, "unpacked");
await mkdir(unpacked);
await run("tar", ["-x", "-f", join(base.path, "release/image", ARCHIVE), "-C", unpacked]);
test.after(() => base[Symbol.asyncDispose]());

/** File and rule of each violation, a line each. */
const rulesOf = async (path: string): Promise<string> =>
  (await verifyArchive(path)).violations.map(({ file, rule }) => `${file}: ${rule}`).join("\n");

interface Repacking {
  /** What is changed below the top folder, whose parent is `tree`. */
  readonly change?: (top: string, tree: string) => Promise<unknown>;
  readonly name?: string;
  readonly words?: readonly string[];
  readonly tops?: readonly string[];
}

/** Repacks the archive after a change, otherwise in the form that the stage gives it. @returns its path */
async function repack(dir: string, { change, name = ARCHIVE, words = [], tops = [TOP] }: Repacking): Promise<string> {
  const tree = join(dir, "tree");
  await cp(unpacked, tree, { recursive: true });
  await change?.(join(tree, TOP), tree);
  const fixed = ["--format=ustar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@1700000000"];
  const { stdout } = await run("tar", ["-c", ...fixed, ...words, "-C", tree, ...tops], { encoding: "buffer" });
  await writeFile(join(dir, name), gzipSync(stdout));
  return join(dir, name);
}

const edit = (file: string, edited: (text: string) => string) => async (top: string) =>
  writeFile(join(top, file), edited(await readFile(join(top, file), "utf8")));
const put = (file: string, content: string | Buffer) => (top: string) => writeFile(join(top, file), content);

test("archives that an installer or a booter would stumble over are told with member and rule", async () => {
  const cases: [string, Repacking, RegExp][] = [
    ["no change", {}, /^$/],
    [
      "another top folder",
      { change: (top, tree) => rename(top, join(tree, "platform")), tops: ["platform"] },
      /: its one top folder is platform-2026/,
    ],
    [
      "two top folders",
      { change: (_, tree) => mkdir(join(tree, "more")), tops: [TOP, "more"] },
      /: its one top folder is platform-2026/,
    ],
    [
      "one hash of two",
      { change: (top) => rm(join(top, "x86_64/initrd.hash")) },
      /initrd\.hash: initrd\.hash and filesystem\.squashfs\.hash are both there or both absent/,
    ],
    [
      "a hash with a file name",
      { change: (top) => appendFile(join(top, "x86_64/initrd.hash"), "initrd") },
      /initrd\.hash: a hash file is 40 hexadecimal digits/,
    ],
    [
      "the hash of another file",
      { change: (top) => cp(join(top, "x86_64/build.tgz.hash"), join(top, "x86_64/initrd.hash")) },
      /x86_64\/initrd: it has the SHA-1 that initrd\.hash says/,
    ],
    [
      "a mode for its owner alone",
      { change: (top) => chmod(join(top, "x86_64/initrd"), 0o600) },
      /x86_64\/initrd: modes are 755/,
    ],
    ["another owner", { words: ["--owner=1000"] }, /: the owner is root/],
    ["pax headers", { words: ["--format=pax", "--pax-option=comment=x"] }, /: members are files and folders/],
    ["GNU's format", { words: ["--format=gnu"] }, /: headers are ustar/],
    [
      "a link",
      { change: (top) => symlink("initrd", join(top, "x86_64/initrd.img")) },
      /initrd\.img: members are files and folders/,
    ],
    ["a file too many", { change: put("README", "") }, /README: the archive holds what the documented layout names/],
    [
      "no kernel",
      { change: (top) => rm(join(top, "x86_64/vmlinuz")) },
      /vmlinuz: every file of the documented layout is there/,
    ],
    [
      "another kernel",
      { change: put("x86_64/vmlinuz", toyKernel("6.1.0-2-amd64")) },
      /filesystem\.manifest: the squashfs has the modules of vmlinuz/,
    ],
    ["no kernel at all", { change: put("x86_64/vmlinuz", "#!/bin/sh\n") }, /vmlinuz: vmlinuz is a Linux kernel/],
    [
      "no squashfs",
      { change: put("x86_64/filesystem.squashfs", "x".repeat(999)) },
      /filesystem\.squashfs: filesystem\.squashfs is a squashfs/,
    ],
    [
      "a squashfs cut short",
      { change: (top) => truncate(join(top, "x86_64/filesystem.squashfs"), 95) },
      /filesystem\.squashfs: filesystem\.squashfs is a squashfs/,
    ],
    [
      "a manifest of another image",
      { change: edit("x86_64/filesystem.manifest", (text) => text.replace(/^.*zpool.*\n/m, "")) },
      /filesystem\.squashfs: the squashfs holds what filesystem\.manifest lists/,
    ],
    [
      "a manifest that is not sorted",
      { change: edit("x86_64/filesystem.manifest", (text) => `${text}./a type=dir mode=0755 uid=0 gid=0\n`) },
      /filesystem\.manifest: a manifest has every path in mtree/,
    ],
    [
      "a package that is not installed",
      { change: edit("x86_64/filesystem.packages", (text) => `${text}zzz 1\n`) },
      /filesystem\.manifest: every package/,
    ],
    [
      "another build.tgz",
      { change: edit("x86_64/build.tgz.manifest", (text) => text.replace(/sha256digest=./, "sha256digest=-")) },
      /build\.tgz: build\.tgz holds what build\.tgz\.manifest lists/,
    ],
    [
      "the stamp of another release",
      { change: put("etc/version/platform", "20270102T030405Z\n") },
      /version\/platform: it is the stamp 2026/,
    ],
    [
      "a stamp without newline",
      { change: put("etc/version/platform", PLATFORM_STAMP) },
      /version\/platform: it is the stamp 2026/,
    ],
    [
      "gitstatus with a quote in it",
      { change: put("etc/version/gitstatus", '[{"repo": "a"b", "rev": ""}]\n') },
      /gitstatus: it is a JSON array/,
    ],
    ["another os-release", { change: put("etc/version/os-release", "ID=debian\n") }, /os-release: it names release/],
    ["a name without stamp", { name: "platform-latest.tgz" }, /: its name is platform\.tgz, or platform-<stamp>\.tgz/],
  ];
  for (const [what, repacking, expected] of cases) {
    await using dir = await TempDir.create("archive");
    assert.match(await rulesOf(await repack(dir.path, repacking)), expected, what);
  }
});

test("archives whose stream has another end than its own are told", async () => {
  await using dir = await TempDir.create("archive");
  const bytes = gunzipSync(archive);
  const cases: [string, Buffer, RegExp][] = [
    [
      "two gzip members",
      Buffer.concat([gzipSync(bytes.subarray(0, 5000)), gzipSync(bytes.subarray(5000))]),
      /: it is one gzip member/,
    ],
    ["cut short", archive.subarray(0, -100), /: the archive can be unpacked from end to end/],
    [
      "something behind the tar stream",
      gzipSync(Buffer.concat([bytes, Buffer.from("x")])),
      /: the archive can be unpacked from end to end/,
    ],
    ["a tar stream without its end", gzipSync(bytes.subarray(0, 512)), /: the archive can be unpacked from end to end/],
    ["no gzip", bytes, /: the archive can be unpacked from end to end/],
    ["nothing", Buffer.alloc(0), /: the archive can be unpacked from end to end/],
  ];
  for (const [what, content, expected] of cases) {
    await writeFile(join(dir.path, ARCHIVE), content);
    assert.match(await rulesOf(join(dir.path, ARCHIVE)), expected, what);
  }
});

test("the member in which a byte was changed is named, although the archive cannot be read to its end", async () => {
  await using dir = await TempDir.create("archive");
  const large = Buffer.alloc(2 ** 21, "squashfs");
  const path = await repack(dir.path, {
    change: async (top) => {
      await writeFile(join(top, "x86_64/filesystem.squashfs"), large);
      await writeFile(
        join(top, "x86_64/filesystem.squashfs.hash"),
        `${createHash("sha1").update(large).digest("hex")}\n`,
      );
    },
  });
  const stored = gzipSync(gunzipSync(await readFile(path)), { level: 0 });
  await writeFile(path, stored);
  assert.not.match(await rulesOf(path), "it has the SHA-1 that");
  const place = stored.indexOf("squashfssquashfs") + 1000;
  stored.writeUInt8((stored[place] ?? 0) ^ 1, place);
  await writeFile(path, stored);
  const told = await rulesOf(path);
  assert.match(told, `${ARCHIVE}: the archive can be unpacked from end to end`);
  assert.match(told, `${ARCHIVE}: x86_64/filesystem.squashfs: it has the SHA-1 that filesystem.squashfs.hash says`);
});

test("a stamp is read from a name as the installer reads it", () => {
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
