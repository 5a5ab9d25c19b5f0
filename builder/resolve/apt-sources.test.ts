import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentProgress } from "../../base/progress/progress.js";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { aptLack, openLocalMachine } from "../../fixtures/local-machine.js";
import { MisbehavingMirror } from "../../fixtures/misbehaving-mirror.js";
import { mirrorsWith } from "../../fixtures/small-lock.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../../test/runner/skip-test.js";
import type { InputError } from "../builder-error.js";
import type { LockSet } from "../profile/lock-set.js";
import { loadProfile, type Profile, type Suite } from "../profile/profiles.js";
import { Store } from "../store/store.js";
import { aptPreferences, aptSources } from "./apt-sources.js";
import { resolveSets } from "./lock-update.js";

const test = suite("apt sources");
const aptTest = (title: string, body: () => Promise<void>): void => testUnless(test, title, aptLack, body);
const projectRoot = findProjectRoot();
const archive = join(projectRoot, "fixtures/archived-suite");
const buster = loadProfile("buster");

/** The suites of profile buster, each replaced by the fixture's suite at the same position. */
const oldSuites = buster.suites.map((real): Suite => {
  const distribution = real.distribution.replace("buster", "old");
  const sources = real.onlySources === undefined ? {} : { onlySources: ["linux"] };
  return { ...real, distribution, components: ["main"], ...sources };
});

/** Profile buster with the fixture's archive. */
const oldProfile = (packages: readonly string[], suites: readonly Suite[] = oldSuites): Profile => ({
  ...buster,
  suites,
  keyrings: [join(archive, "keyring.gpg")],
  sets: [{ name: "image", packages }],
});

/** Resolves with apt against the fixture's archive, which a mirror serves. */
async function resolve(profile: Profile): Promise<LockSet[]> {
  await using home = await TempDir.create("apt-sources");
  await using mirror = await MisbehavingMirror.start();
  for (const entry of await readdir(archive, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    mirror.files.set(path.slice(archive.length + 1), await readFile(path));
  }
  return await resolveSets({
    projectRoot,
    profile,
    store: await Store.open(home.path),
    mirrors: mirrorsWith([], mirror),
    openMachine: openLocalMachine,
    progress: silentProgress,
  });
}

const namesOf = ([set]: readonly LockSet[]): string[] | undefined =>
  set?.packages.map(({ name, version }) => `${name} ${version}`);

aptTest(
  "apt takes only the named sources from backports, also if backports has newer versions of others",
  within(20_000, async () => {
    const sets = await resolve(oldProfile(["kernel", "tool"]));
    assert.equal(namesOf(sets), ["helper 1.1", "kernel 5.10", "kernel-parts 5.10", "tool 1.0"]);
  }),
);

aptTest(
  "apt does not find a package that only backports has and whose source is not named",
  within(20_000, async () => {
    const error = (await thrownBy(resolve(oldProfile(["novelty"])))) as InputError;
    assert.is(error.code, "UPDATE_FAILED");
    assert.match(error.message, /Package 'novelty' has no installation candidate/);
  }),
);

aptTest(
  "apt refuses an expired Release file of a suite that is not archived",
  within(20_000, async () => {
    const suites = oldSuites.map(({ archived: _, ...suite }): Suite => suite);
    const error = (await thrownBy(resolve(oldProfile(["kernel"], suites)))) as InputError;
    assert.is(error.code, "UPDATE_FAILED");
    assert.match(error.message, /Release file for .* is expired/);
  }),
);

aptTest(
  "apt refuses an archived suite that the profile's keys did not sign",
  within(20_000, async () => {
    const error = (await thrownBy(resolve({ ...oldProfile(["kernel"]), keyrings: buster.keyrings }))) as InputError;
    assert.is(error.code, "UPDATE_FAILED");
    assert.match(error.message, /GPG error: .* old InRelease/);
  }),
);

test("aptSources() switches off the check of the date only for archived suites", () => {
  const lines = (name: string): string[] => aptSources(loadProfile(name), "http://gateway").trimEnd().split("\n");
  const keyrings = "/usr/share/keyrings/debian-archive-keyring.gpg";
  assert.equal(lines("bookworm-security"), [
    `deb [signed-by=${keyrings}] http://gateway/debian bookworm main contrib`,
    `deb [signed-by=${keyrings}] http://gateway/debian-security bookworm-security main contrib`,
  ]);
  const options = `signed-by=${keyrings},/usr/share/keyrings/debian-archive-removed-keys.gpg check-valid-until=no`;
  assert.equal(lines("buster"), [
    `deb [${options}] http://gateway/debian buster main contrib`,
    `deb [${options}] http://gateway/debian buster-backports main contrib`,
    `deb [${options}] http://gateway/debian-security buster/updates main contrib`,
  ]);
});

test("aptPreferences() is empty for a profile that uses complete suites", () => {
  assert.is(aptPreferences(loadProfile("bookworm-security")), "");
  assert.match(aptPreferences(buster), /^Package: \*\nPin: release n=buster-backports\nPin-Priority: -1\n/);
});

test.run();
