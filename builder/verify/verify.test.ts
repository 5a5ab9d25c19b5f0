import { execFile } from "node:child_process";
import { appendFile, chmod, cp, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createToyTgz, makeToyPlatform, PLATFORM_STAMP, toyKernel, writeSums } from "../../fixtures/toy-platform.js";
import { TempDir } from "../../vm/temp-dir.js";
import { installerStamp } from "./archive-rules.js";
import { describeVerification, verify } from "./verify.js";

const test = suite("verify");
const run = promisify(execFile);
const silent = { status: () => {}, result: () => {} };
const ARCHIVE = `platform-${PLATFORM_STAMP}.tgz`;
const TOP = `platform-${PLATFORM_STAMP}`;

/** File and rule of each violation, a line each. */
const rulesOf = async (path: string): Promise<string> =>
  (await verify(path, silent)).violations.map(({ file, rule }) => `${file}: ${rule}`).join("\n");

/** Repacks an archive after a change, in the form that the stage gives it but for `words`. @returns its path */
async function repack(
  dir: string,
  out: string,
  change: (tree: string) => Promise<unknown>,
  { name = ARCHIVE, words = [] as string[], tops = [TOP], format = "ustar" } = {},
): Promise<string> {
  const work = join(dir, "work");
  await rm(work, { recursive: true, force: true });
  await mkdir(work);
  await run("tar", ["-x", "-f", join(out, ARCHIVE), "-C", work]);
  await change(work);
  const target = join(dir, name);
  const fixed = [
    `--format=${format}`,
    "--sort=name",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mtime=@1700000000",
  ];
  await run("tar", ["-c", ...fixed, ...words, "--use-compress-program=gzip -n", "-f", target, "-C", work, ...tops]);
  return target;
}

test("a release that the stage made keeps all rules, and is told what an installer makes of each archive", async () => {
  await using dir = await TempDir.create("verify");
  const out = await makeToyPlatform(dir.path);
  const report = await verify(out, silent);
  assert.equal(report.violations, []);
  const text = describeVerification(out, report);
  assert.match(text, /kernel 6\.1\.0-1-amd64, 2 packages/);
  assert.match(text, new RegExp(`${ARCHIVE}: \`sdcadm platform install\` takes it`));
  assert.match(text, /platform\.tgz: `sdcadm platform install` would refuse it: its name has no stamp/);
  await run("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: out });
});

test("the two archives hold the same and differ in the top folder alone", async () => {
  await using dir = await TempDir.create("verify");
  const out = await makeToyPlatform(dir.path);
  const list = async (name: string): Promise<string> =>
    (await run("tar", ["-t", "-v", "--full-time", "--utc", "-f", join(out, name)])).stdout;
  const one = await list(ARCHIVE);
  assert.is(
    one.replaceAll(TOP, "platform").replaceAll(/ +/g, " "),
    (await list("platform.tgz")).replaceAll(/ +/g, " "),
  );
  assert.equal(
    one
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/ +/g, " ").split(" ").toSpliced(2, 1).join(" "))
      .filter((line) => !line.includes("x86_64/")),
    ["", "etc/", "etc/version/"]
      .map((path) => `drwxr-xr-x 0/0 2023-11-14 22:13:20 ${TOP}/${path}`)
      .concat(
        ["gitstatus", "os-release", "platform"].map(
          (path) => `-rw-r--r-- 0/0 2023-11-14 22:13:20 ${TOP}/etc/version/${path}`,
        ),
      ),
  );
});

test("the archives are the same bytes with another umask, time zone and file times", async () => {
  await using dir = await TempDir.create("verify");
  const sums = join(await makeToyPlatform(dir.path), "SHA256SUMS");
  const first = await readFile(sums, "utf8");
  const scratch = join(dir.path, "release/scratch");
  await run("find", [join(dir.path, "release"), "-exec", "touch", "-d", "2001-02-03", "{}", "+"]);
  await rm(join(dir.path, "release/image/build.tgz"));
  await createToyTgz(dir.path, { line: `umask 077; chmod 600 ${scratch}/*`, env: { TZ: "Pacific/Kiritimati" } });
  assert.is(await readFile(sums, "utf8"), first);
});

test("one byte that is changed in any file of a release is told with the file and a rule", async () => {
  await using dir = await TempDir.create("verify");
  const out = await makeToyPlatform(dir.path);
  const sums = (await readFile(join(out, "SHA256SUMS"), "utf8")).trimEnd().split("\n");
  for (const name of sums.map((line) => line.slice(66))) {
    const file = join(out, name);
    const good = await readFile(file);
    for (const place of [0, Math.floor(good.length / 2), good.length - 1]) {
      const bad = Buffer.from(good);
      bad.writeUInt8((bad[place] ?? 0) ^ 1, place);
      await writeFile(file, bad);
      assert.match(await rulesOf(out), `${name}: it has the digest that SHA256SUMS says`);
    }
    await writeFile(file, good);
  }
  assert.is(await rulesOf(out), "");
});

test("one byte of an archive alone that changes what is unpacked, or the gzip header, is told", async () => {
  await using dir = await TempDir.create("verify");
  const good = await readFile(join(await makeToyPlatform(dir.path), ARCHIVE));
  const file = join(dir.path, ARCHIVE);
  await writeFile(file, good);
  assert.is(await rulesOf(file), "");
  const content = gunzipSync(good);
  // In deflate there are bits that change nothing.
  const isHarmless = (bytes: Buffer): boolean => {
    try {
      return gunzipSync(bytes).equals(content);
    } catch {
      return false;
    }
  };
  const places = [
    ...Array(8).keys(),
    ...Array.from({ length: 60 }, (_, step) => 10 + Math.floor((step * (good.length - 11)) / 59)),
  ];
  for (const place of places) {
    const bad = Buffer.from(good);
    bad.writeUInt8((bad[place] ?? 0) ^ 0x10, place);
    if (place >= 10 && isHarmless(bad)) continue;
    await writeFile(file, bad);
    assert.match(await rulesOf(file), `${ARCHIVE}: `, `byte ${place} of ${good.length}`);
  }
});

test("archives that an installer or a booter would stumble over are told with member and rule", async () => {
  await using dir = await TempDir.create("verify");
  const out = await makeToyPlatform(dir.path);
  const cases: [string, Promise<string> | (() => Promise<string>), RegExp][] = [
    ["no change", () => repack(dir.path, out, async () => {}), /^$/],
    [
      "another top folder",
      () => repack(dir.path, out, (tree) => rename(join(tree, TOP), join(tree, "platform")), { tops: ["platform"] }),
      /: its one top folder is platform-2026/,
    ],
    [
      "two top folders",
      () => repack(dir.path, out, (tree) => mkdir(join(tree, "more")), { tops: [TOP, "more"] }),
      /: its one top folder is platform-2026/,
    ],
    [
      "one hash of two",
      () => repack(dir.path, out, (tree) => rm(join(tree, TOP, "x86_64/initrd.hash"))),
      /initrd\.hash: initrd\.hash and filesystem\.squashfs\.hash are both there or both absent/,
    ],
    [
      "a hash with a file name",
      () => repack(dir.path, out, (tree) => appendFile(join(tree, TOP, "x86_64/initrd.hash"), "initrd")),
      /initrd\.hash: a hash file is 40 hexadecimal digits/,
    ],
    [
      "the hash of another file",
      () =>
        repack(dir.path, out, (tree) =>
          cp(join(tree, TOP, "x86_64/build.tgz.hash"), join(tree, TOP, "x86_64/initrd.hash")),
        ),
      /initrd\.hash: a hash file has the SHA-1 of its file/,
    ],
    [
      "a mode for its owner alone",
      () => repack(dir.path, out, (tree) => chmod(join(tree, TOP, "x86_64/initrd"), 0o600)),
      /x86_64\/initrd: modes are 755/,
    ],
    ["another owner", () => repack(dir.path, out, async () => {}, { words: ["--owner=1000"] }), /: the owner is root/],
    [
      "pax headers",
      () => repack(dir.path, out, async () => {}, { format: "pax", words: ["--pax-option=comment=x"] }),
      /: members are files and folders/,
    ],
    ["GNU's format", () => repack(dir.path, out, async () => {}, { format: "gnu" }), /: headers are ustar/],
    [
      "a link",
      () => repack(dir.path, out, (tree) => symlink("initrd", join(tree, TOP, "x86_64/initrd.img"))),
      /initrd\.img: members are files and folders/,
    ],
    [
      "a file too many",
      () => repack(dir.path, out, (tree) => writeFile(join(tree, TOP, "README"), "")),
      /README: the archive holds what the documented layout names/,
    ],
    [
      "no kernel",
      () => repack(dir.path, out, (tree) => rm(join(tree, TOP, "x86_64/vmlinuz"))),
      /vmlinuz: every file of the documented layout is there/,
    ],
    [
      "another kernel",
      () => repack(dir.path, out, (tree) => writeFile(join(tree, TOP, "x86_64/vmlinuz"), toyKernel("6.1.0-2-amd64"))),
      /filesystem\.manifest: the squashfs has the modules of vmlinuz/,
    ],
    [
      "no kernel at all",
      () => repack(dir.path, out, (tree) => writeFile(join(tree, TOP, "x86_64/vmlinuz"), "#!/bin/sh\n")),
      /vmlinuz: vmlinuz is a Linux kernel/,
    ],
    [
      "no squashfs",
      () => repack(dir.path, out, (tree) => writeFile(join(tree, TOP, "x86_64/filesystem.squashfs"), "x".repeat(999))),
      /filesystem\.squashfs: filesystem\.squashfs is a squashfs/,
    ],
    [
      "a squashfs cut short",
      () => repack(dir.path, out, (tree) => truncate(join(tree, TOP, "x86_64/filesystem.squashfs"), 95)),
      /filesystem\.squashfs: filesystem\.squashfs is a squashfs/,
    ],
    [
      "a manifest of another image",
      () =>
        repack(dir.path, out, async (tree) => {
          const file = join(tree, TOP, "x86_64/filesystem.manifest");
          await writeFile(file, (await readFile(file, "utf8")).replace(/^.*zpool.*\n/m, ""));
        }),
      /filesystem\.squashfs: the squashfs holds what filesystem\.manifest lists/,
    ],
    [
      "a manifest that is not sorted",
      () =>
        repack(dir.path, out, async (tree) => {
          const file = join(tree, TOP, "x86_64/filesystem.manifest");
          await appendFile(file, "./a type=dir mode=0755 uid=0 gid=0\n");
        }),
      /filesystem\.manifest: a manifest has every path in mtree/,
    ],
    [
      "a package that is not installed",
      () => repack(dir.path, out, (tree) => appendFile(join(tree, TOP, "x86_64/filesystem.packages"), "zzz 1\n")),
      /filesystem\.manifest: every package/,
    ],
    [
      "another build.tgz",
      () =>
        repack(dir.path, out, async (tree) => {
          const file = join(tree, TOP, "x86_64/build.tgz.manifest");
          await writeFile(file, (await readFile(file, "utf8")).replace(/sha256digest=./, "sha256digest=-"));
        }),
      /build\.tgz: build\.tgz holds what build\.tgz\.manifest lists/,
    ],
    [
      "the stamp of another release",
      () => repack(dir.path, out, (tree) => writeFile(join(tree, TOP, "etc/version/platform"), "20270102T030405Z\n")),
      /version\/platform: it is the stamp 2026/,
    ],
    [
      "a stamp without newline",
      () => repack(dir.path, out, (tree) => writeFile(join(tree, TOP, "etc/version/platform"), PLATFORM_STAMP)),
      /version\/platform: it is the stamp 2026/,
    ],
    [
      "gitstatus with a quote in it",
      () =>
        repack(dir.path, out, (tree) =>
          writeFile(join(tree, TOP, "etc/version/gitstatus"), '[{"repo": "a"b", "rev": ""}]\n'),
        ),
      /gitstatus: it is a JSON array/,
    ],
    [
      "another os-release",
      () => repack(dir.path, out, (tree) => writeFile(join(tree, TOP, "etc/version/os-release"), "ID=debian\n")),
      /os-release: it names release/,
    ],
    [
      "a name without stamp",
      () => repack(dir.path, out, async () => {}, { name: "platform-latest.tgz" }),
      /: its name is platform\.tgz, or platform-<stamp>\.tgz/,
    ],
    [
      "two gzip members",
      async () => {
        const bytes = gunzipSync(await readFile(join(out, ARCHIVE)));
        await writeFile(
          join(dir.path, ARCHIVE),
          Buffer.concat([gzipSync(bytes.subarray(0, 5000)), gzipSync(bytes.subarray(5000))]),
        );
        return join(dir.path, ARCHIVE);
      },
      /: it is one gzip member/,
    ],
    [
      "an archive cut short",
      async () => {
        await writeFile(join(dir.path, ARCHIVE), (await readFile(join(out, ARCHIVE))).subarray(0, -100));
        return join(dir.path, ARCHIVE);
      },
      /: the archive can be unpacked from end to end/,
    ],
    [
      "something behind the tar stream",
      async () => {
        await writeFile(
          join(dir.path, ARCHIVE),
          gzipSync(Buffer.concat([gunzipSync(await readFile(join(out, ARCHIVE))), Buffer.from("x")])),
        );
        return join(dir.path, ARCHIVE);
      },
      /: the archive can be unpacked from end to end/,
    ],
  ];
  for (const [what, make, expected] of cases) {
    const path = await (typeof make === "function" ? make() : make);
    assert.match(await rulesOf(path), expected, what);
  }
});

test("a folder whose archive is of another build, that lacks a file or has one too many is told", async () => {
  await using dir = await TempDir.create("verify");
  const out = await makeToyPlatform(dir.path);
  await writeFile(join(out, "more"), "");
  assert.match(await rulesOf(out), /^more: SHA256SUMS tells the digest of every output$/);
  await rm(join(out, "more"));
  await rm(join(out, "filesystem.sources"));
  assert.match(await rulesOf(out), /^filesystem\.sources: every file of SHA256SUMS is there$/);
  await rename(
    await repack(dir.path, out, (tree) => writeFile(join(tree, TOP, "x86_64/initrd"), "\x1f\x8b\x08")),
    join(out, ARCHIVE),
  );
  await writeSums(out);
  assert.match(await rulesOf(out), `${ARCHIVE}: x86_64/initrd: an archive holds the files that lie beside it`);
  await rm(join(out, "SHA256SUMS"));
  assert.match(await rulesOf(out), /SHA256SUMS: it tells the digest of every output/);
});

test("what is no release is refused as such", async () => {
  await using dir = await TempDir.create("verify");
  for (const [path, code] of [
    [dir.path, "NO_RELEASE"],
    [join(dir.path, "absent"), "NOTHING_THERE"],
    ["/dev/null", "NO_ARCHIVE"],
  ] as const) {
    try {
      await verify(path, silent);
      assert.unreachable();
    } catch (error) {
      assert.is((error as { code?: string }).code, code);
    }
  }
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
