import { cp, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { UsageError } from "../../base/livelab-error.js";
import { silentStep } from "../../base/progress/progress.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { createToyTgz, makeToyPlatform, PLATFORM_STAMP, writeSums } from "../../fixtures/toy-platform.js";
import { stagesFor } from "../stages/stages.js";
import { describeVerification, verify } from "./verify.js";

const test = suite("verify");
const ARCHIVE = `platform-${PLATFORM_STAMP}.tgz`;
const TOP = `platform-${PLATFORM_STAMP}`;

/** File and rule of each violation, one line each. */
const rulesOf = async (path: string): Promise<string> =>
  (await verify(path, { step: silentStep })).violations.map(({ file, rule }) => `${file}: ${rule}`).join("\n");

/** The release that all tests use. Tests that change it make a copy. */
const base = await TempDir.create("verify");
const made = await makeToyPlatform(base.path);
test.after(() => base[Symbol.asyncDispose]());

/** Copies the release. @returns the copy's folder of outputs */
async function copyOf(dir: TempDir): Promise<string> {
  await cp(base.path, dir.path, { recursive: true });
  return join(dir.path, "release/image");
}

test("a release from the stage passes all rules, and the report says whether the installer accepts each archive", async () => {
  const report = await verify(made, { step: silentStep });
  assert.equal(report.violations, []);
  const text = describeVerification(made, report);
  assert.match(text, /kernel 6\.1\.0-1-amd64, 2 packages/);
  assert.match(text, new RegExp(`${ARCHIVE}: \`sdcadm platform install\` accepts it`));
  assert.match(text, /platform\.tgz: `sdcadm platform install` refuses it: its name has no stamp/);
  await runProgram("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: made });
});

test("the two archives differ only in the name of the top folder", async () => {
  const list = async (name: string): Promise<string> =>
    (await runProgram("tar", ["-t", "-v", "--full-time", "--utc", "-f", join(made, name)])).stdout;
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
  const sums = join(await copyOf(dir), "SHA256SUMS");
  const first = await readFile(sums, "utf8");
  const scratch = join(dir.path, "release/scratch");
  await runProgram("find", [join(dir.path, "release"), "-exec", "touch", "-d", "2001-02-03", "{}", "+"]);
  await rm(join(dir.path, "release/image/build.tgz"));
  await createToyTgz(dir.path, { line: `umask 077; chmod 600 ${scratch}/*`, env: { TZ: "Pacific/Kiritimati" } });
  assert.is(await readFile(sums, "utf8"), first);
});

test("one changed byte in any file of a release is reported with the file and a rule", async () => {
  await using dir = await TempDir.create("verify");
  const out = await copyOf(dir);
  const sums = (await readFile(join(out, "SHA256SUMS"), "utf8")).trimEnd().split("\n");
  for (const name of sums.map((line) => line.slice(66))) {
    const file = join(out, name);
    const good = await readFile(file);
    for (const place of [0, good.length - 1]) {
      const bad = Buffer.from(good);
      bad.writeUInt8((bad[place] ?? 0) ^ 1, place);
      await writeFile(file, bad);
      assert.match(await rulesOf(out), `${name}: it has the digest in SHA256SUMS`);
    }
    await writeFile(file, good);
  }
  assert.is(await rulesOf(out), "");
});

test("one changed byte in a single archive is reported if it changes the content or the gzip header", async () => {
  await using dir = await TempDir.create("verify");
  const good = await readFile(join(made, ARCHIVE));
  const file = join(dir.path, ARCHIVE);
  await writeFile(file, good);
  assert.is(await rulesOf(file), "");
  const content = gunzipSync(good);
  // Some bits of a deflate stream do not change the content.
  const isHarmless = (bytes: Buffer): boolean => {
    try {
      return gunzipSync(bytes).equals(content);
    } catch {
      return false;
    }
  };
  const places = [
    ...Array(8).keys(),
    ...Array.from({ length: 24 }, (_, step) => 10 + Math.floor((step * (good.length - 11)) / 23)),
  ];
  for (const place of places) {
    const bad = Buffer.from(good);
    bad.writeUInt8((bad[place] ?? 0) ^ 0x10, place);
    if (place >= 10 && isHarmless(bad)) continue;
    await writeFile(file, bad);
    assert.match(await rulesOf(file), `${ARCHIVE}: `, `byte ${place} of ${good.length}`);
  }
});

test("a folder with an archive of another build, a missing file or an extra file is reported", async () => {
  await using dir = await TempDir.create("verify");
  const out = await copyOf(dir);
  await writeFile(join(out, "more"), "");
  assert.match(await rulesOf(out), /^more: SHA256SUMS lists the digest of every output$/);
  await rm(join(out, "more"));
  await rm(join(out, "filesystem.sources"));
  assert.match(await rulesOf(out), /^filesystem\.sources: every file in SHA256SUMS exists$/);
  await writeFile(join(out, "initrd"), "\x1f\x8b\x08");
  await writeSums(out);
  assert.match(await rulesOf(out), `${ARCHIVE}: x86_64/initrd: an archive contains the files of its folder`);
  await rm(join(out, "SHA256SUMS"));
  assert.match(await rulesOf(out), /SHA256SUMS: it lists the digest of every output/);
});

test("a release that was built for boot needs no archives, but all that boots", async () => {
  await using dir = await TempDir.create("verify");
  const folder = await copyOf(dir);
  for (const name of [
    "build.tgz",
    "build.tgz.hash",
    "build.tgz.manifest",
    "build.tgz.packages",
    ARCHIVE,
    "platform.tgz",
  ])
    await rm(join(folder, name));
  await writeSums(folder);
  assert.match(await rulesOf(folder), "build.tgz: every file of the documented layout exists");
  const records = stagesFor("boot").map(({ name }) => ({ name, key: name, reused: false, durationMs: 1 }));
  const report = { version: 1, stamp: PLATFORM_STAMP, profile: "bookworm", packages: 2, files: [], stages: records };
  await writeFile(join(folder, "build.json"), JSON.stringify(report));
  const { violations, facts } = await verify(folder, { step: silentStep });
  assert.equal(violations, []);
  assert.match(facts.join("\n"), "built for boot: it has no archives and media to check");
  await rm(join(folder, "initrd.hash"));
  assert.match(await rulesOf(folder), "initrd.hash: every file of the documented layout exists");
});

test("a folder or a dangling link in a release's folder is reported, under any name", async () => {
  await using dir = await TempDir.create("verify");
  const out = await copyOf(dir);
  await mkdir(join(out, "more.tgz"));
  await symlink("/nowhere", join(out, "link"));
  await rm(join(out, "platform.tgz"));
  await mkdir(join(out, "platform.tgz"));
  const { violations } = await verify(out, { step: silentStep });
  assert.equal(
    violations.map(({ file, found }) => `${file}: ${found}`),
    [
      "link: it is a link to a file that does not exist",
      "more.tgz: it is a folder",
      "platform.tgz: it is a folder",
      "platform.tgz: it is missing",
    ],
  );
});

test("an aborted signal ends verify with an AbortError", async () => {
  for (const path of [made, join(made, ARCHIVE)]) {
    const error = await verify(path, { step: silentStep, signal: AbortSignal.abort() }).then(
      () => undefined,
      (reason: Error) => reason,
    );
    assert.is(error?.name, "AbortError");
  }
});

test("verify rejects a path that is neither a release nor an archive, with a hint", async () => {
  await using dir = await TempDir.create("verify");
  for (const [path, code] of [
    [dir.path, "NO_RELEASE"],
    [join(dir.path, "absent"), "NOTHING_THERE"],
    ["/dev/null", "NO_ARCHIVE"],
  ] as const) {
    try {
      await verify(path, { step: silentStep });
      assert.unreachable();
    } catch (error) {
      assert.is((error as UsageError).code, code);
      assert.match((error as UsageError).hint ?? "", "livelab verify out/latest");
    }
  }
});

test.run();
