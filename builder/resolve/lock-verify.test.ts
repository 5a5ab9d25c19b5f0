import { cp, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentProgress } from "../../base/progress/progress.js";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { aptLack, openLocalMachine } from "../../fixtures/local-machine.js";
import { MisbehavingMirror } from "../../fixtures/misbehaving-mirror.js";
import { mirrorsWith, type SmallPackage, smallLock, smallPackages } from "../../fixtures/small-lock.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../../test/runner/skip-test.js";
import type { InputError } from "../builder-error.js";
import { type Lock, loadLock, lockFolder } from "../profile/lock.js";
import { parseLockSet } from "../profile/lock-set.js";
import { loadProfile } from "../profile/profiles.js";
import { Store } from "../store/store.js";
import { compareSets, describeChange, updateLock } from "./lock-update.js";
import { verifyLock } from "./lock-verify.js";
import { parseInRelease } from "./suite-indexes.js";

const test = suite("lock update and verify");
const aptTest = (title: string, body: () => Promise<void>): void => testUnless(test, title, aptLack, body);
const projectRoot = findProjectRoot();

/** Verifies a lock with a mirror that has these packages. */
async function verify(lock: Lock, packages: readonly SmallPackage[]): Promise<void> {
  await using home = await TempDir.create("verify-test");
  await using mirror = await MisbehavingMirror.start();
  await verifyLock({
    projectRoot,
    lock,
    store: await Store.open(home.path),
    mirrors: mirrorsWith(packages, mirror),
    openMachine: openLocalMachine,
    progress: silentProgress,
  });
}

/** Made-up packages with relations. */
function related(relations: Readonly<Record<string, string | undefined>>): SmallPackage[] {
  return smallPackages(Object.keys(relations), 100).map((small) => {
    const depends = relations[small.name];
    return depends === undefined ? small : { ...small, depends };
  });
}

aptTest(
  "apt needs exactly the packages in the lock of bookworm",
  within(120_000, async () => {
    const lock = await loadLock(projectRoot, loadProfile("bookworm"));
    // The mirror has no files: if the sets resolve, the only error is that all files are unavailable.
    const error = (await thrownBy(verify(lock, []))) as InputError;
    assert.is(error.code, "UNAVAILABLE", error.message);
    assert.is(error.message.split("\n").length - 1, lock.files().length);
  }),
);

aptTest(
  "a valid lock passes; a file that is neither in the store nor at a mirror is named",
  within(10_000, async () => {
    const packages = related({ app: "lib (>= 1.0)", lib: undefined });
    await verify(smallLock(packages, ["app"]), packages);
    const error = (await thrownBy(verify(smallLock(packages, ["app"]), packages.slice(0, 1)))) as InputError;
    assert.is(error.code, "UNAVAILABLE");
    assert.is(error.message, "files that are neither in the store nor at a mirror:\n  lib 1.0");
  }),
);

aptTest(
  "a relation that the set cannot satisfy is reported with apt's output",
  within(10_000, async () => {
    const packages = related({ app: "lib (>= 2.0)", lib: undefined });
    const error = (await thrownBy(verify(smallLock(packages, ["app"]), packages))) as InputError;
    assert.is(error.code, "UNSATISFIED");
    assert.match(error.message, "set image of profile bookworm");
    assert.match(error.message, /app : Depends: lib \(>= 2.0\)/);
    assert.is(error.hint, "livelab lock update -p bookworm");
  }),
);

aptTest(
  "a locked package that no other package needs is named",
  within(10_000, async () => {
    const packages = related({ app: undefined, stray: undefined });
    const error = (await thrownBy(verify(smallLock(packages, ["app"]), packages))) as InputError;
    assert.is(
      error.message,
      "set image of profile bookworm: apt needs other packages than those in the lock:\n  image: - stray 1.0",
    );
  }),
);

aptTest(
  "lock update refuses indexes that Debian's key did not sign, and writes no lock",
  within(10_000, async () => {
    await using home = await TempDir.create("update-test");
    await using mirror = await MisbehavingMirror.start();
    const profile = loadProfile("bookworm");
    await mkdir(join(home.path, "builder", "inputs"), { recursive: true });
    await cp(join(projectRoot, "builder/resolve/resolve-lock.sh"), join(home.path, "builder/resolve/resolve-lock.sh"));
    const release = ["main", "contrib"].map((component) => ` ${emptySha256} 0 ${component}/binary-amd64/Packages.xz\n`);
    mirror.files.set(
      "dists/bookworm/InRelease",
      Buffer.from(clearSigned(`Codename: bookworm\nSHA256:\n${release.join("")}`)),
    );
    for (const component of ["main", "contrib"])
      mirror.files.set(`dists/bookworm/${component}/binary-amd64/Packages.xz`, Buffer.alloc(0));
    const error = (await thrownBy(
      updateLock({
        projectRoot: home.path,
        profile,
        store: await Store.open(join(home.path, "store")),
        mirrors: mirrorsWith([], mirror),
        openMachine: openLocalMachine,
        progress: silentProgress,
      }),
    )) as InputError;
    assert.is(error.code, "UPDATE_FAILED", error.message);
    assert.match(error.message, /GPG error: .* bookworm InRelease/);
    const written = await readFile(join(lockFolder(home.path, profile), "base.Packages"), "utf8").catch(() => "none");
    assert.is(written, "none");
  }),
);

test("compareSets() reports added, removed and upgraded packages", () => {
  const set = (versions: Readonly<Record<string, string>>) =>
    parseLockSet(
      "image",
      Object.entries(versions)
        .map(
          ([name, version]) =>
            `Package: ${name}\nVersion: ${version}\nArchitecture: all\nFilename: a.deb\nSize: 1\nSHA256: ${emptySha256}\n\n`,
        )
        .join(""),
      "x",
    );
  const changes = compareSets(set({ curl: "1", jq: "1", vim: "2" }), set({ curl: "2", vim: "2", zsh: "1" }));
  assert.equal(changes.map(describeChange), ["image: curl 1 → 2", "image: - jq 1", "image: + zsh 1"]);
});

test("parseInRelease() reads digests from a signed Release file, and rejects one without a signature", () => {
  const text = `Codename: bookworm\nMD5Sum:\n 00 1 main/x\nSHA256:\n ${emptySha256}        0 main/binary-amd64/Packages.xz\n`;
  assert.equal(
    [...parseInRelease(clearSigned(text), "x")],
    [["main/binary-amd64/Packages.xz", { digest: { algorithm: "sha256", hex: emptySha256 }, size: 0 }]],
  );
  assert.throws(
    () => parseInRelease(text, "InRelease of bookworm"),
    /InRelease of bookworm is not a signed Release file/,
  );
});

const emptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/** Text with the format of a signed message, whose signature is not an OpenPGP packet. */
const clearSigned = (text: string): string =>
  `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${text}-----BEGIN PGP SIGNATURE-----\n\nAAAA\n=AAAA\n-----END PGP SIGNATURE-----\n`;

test.run();
