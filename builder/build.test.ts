/** Tests which builds count as unchanged, without running a stage: the stages' keys are real, the machines are fakes. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentProgress } from "../base/progress/progress.js";
import { findProjectRoot } from "../base/project-root.js";
import { TempDir } from "../base/temp-dir.js";
import { build } from "./build.js";
import type { BuildContext } from "./build-context.js";
import { openHome } from "./home/home.js";
import { loadLock } from "./profile/lock.js";
import { loadProfile } from "./profile/profiles.js";
import { describeBuild } from "./release/describe.js";
import type { BuildResult } from "./release/outputs.js";
import { saveRelease } from "./release/release.js";
import { type KeyMaterial, stageKey } from "./stages/stage-key.js";
import { type Purpose, stagesFor } from "./stages/stages.js";

const test = suite("build");
const STAMP = "20260102T030405Z";
const status = (rev: string, dirty: boolean): string =>
  JSON.stringify([{ repo: "livelab", branch: null, rev, commit_date: "1", dirty }]);
const OLD = status("a".repeat(40), true);
const NEW = status("b".repeat(40), false);

/** Makes a home with one release and its outputs, whose gitstatus was OLD. @param made purpose of the release */
async function makeRelease(
  folder: string,
  made: Purpose = "all",
): Promise<{ home: BuildContext["home"]; material: KeyMaterial }> {
  const root = findProjectRoot();
  const lock = await loadLock(root, loadProfile("bookworm"));
  const material = {
    lock,
    stageFolder: join(root, "builder/stages"),
    baseKey: "base",
    proto: { "usr/bin/tool": "program 1" },
    gitStatus: OLD,
  };
  const home = await openHome(join(folder, "home"));
  const records: { name: string; key: string; reused: boolean; durationMs: number }[] = [];
  for (const stage of stagesFor(made)) {
    const key = await stageKey(stage, records.at(-1)?.key, STAMP, material);
    records.push({ name: stage.name, key, reused: false, durationMs: 1 });
  }
  await saveRelease(home, {
    version: 1,
    stamp: STAMP,
    profile: "bookworm",
    machine: "sandbox",
    ...(made === "boot" ? { purpose: made } : {}),
    stages: records,
    gitStatus: OLD,
  });
  const out = join(folder, "out", STAMP);
  await mkdir(out, { recursive: true });
  await writeFile(join(out, "SHA256SUMS"), "");
  await writeFile(
    join(out, "build.json"),
    JSON.stringify({ version: 1, stamp: STAMP, profile: "bookworm", packages: 1, files: [], stages: records }),
  );
  return { home, material };
}

const NEEDED = "a stage has to run";

/** Builds in that home; fails with NEEDED and the stamp if a stage has to run. */
function buildWith(
  folder: string,
  home: BuildContext["home"],
  material: KeyMaterial,
  purpose?: Purpose,
): Promise<BuildResult> {
  const buildContext = {
    home,
    lock: material.lock,
    material,
    machines: { kind: "sandbox", find: async () => ({ stage: "", durationMs: 1 }) },
    options: { asRoot: false, progress: silentProgress, signal: new AbortController().signal },
    createGateway: () => ({ [Symbol.asyncDispose]: async () => undefined }),
    ready: async (stamp: string) => {
      throw new Error(`${NEEDED} in ${stamp}`);
    },
  } as unknown as BuildContext;
  return build(buildContext, { words: [], purpose, outRoot: join(folder, "out"), now: new Date() });
}

test("after a commit that does not change the image, build reuses the release and says how its archives can name the commit", async () => {
  await using dir = await TempDir.create("build");
  const { home, material } = await makeRelease(dir.path);
  const result = await buildWith(dir.path, home, { ...material, gitStatus: NEW });
  assert.is(result.unchanged, true);
  assert.is(result.release.stamp, STAMP);
  const text = describeBuild(result, 1);
  assert.match(
    text,
    "name commit aaaaaaaaaaaa with changes that are not committed as their source; the source is now commit bbbbbbbbbbbb\n",
  );
  assert.match(text, `livelab build -r ${STAMP} create_tgz ...`);
  assert.not.match(describeBuild(await buildWith(dir.path, home, material), 1), "the source is now");
});

test("after a change of proto, build does not reuse the old release", async () => {
  await using dir = await TempDir.create("build");
  const { home, material } = await makeRelease(dir.path);
  try {
    await buildWith(dir.path, home, { ...material, proto: { "usr/bin/tool": "program 2" } });
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, NEEDED);
    assert.not.match((error as Error).message, STAMP);
  }
});

test("a build for boot reuses an equal release, also if that has archives, and leaves their files in out/", async () => {
  for (const made of ["boot", "all"] as const) {
    await using dir = await TempDir.create("build");
    const { home, material } = await makeRelease(dir.path, made);
    const result = await buildWith(dir.path, home, material, "boot");
    assert.is(result.unchanged, true, made);
    assert.is(result.outputs?.report.stages.length, stagesFor(made).length);
    const hint = `to make archives and media too: livelab build -r ${STAMP} create_tgz ...`;
    assert.is(describeBuild(result, 1).includes(hint), made === "boot");
  }
});

test("a build of all outputs completes an equal release that was built for boot", async () => {
  await using dir = await TempDir.create("build");
  const { home, material } = await makeRelease(dir.path, "boot");
  const failure = (build: Promise<BuildResult>) =>
    build.then(
      () => "",
      (error: Error) => error.message,
    );
  assert.is(await failure(buildWith(dir.path, home, material)), `${NEEDED} in ${STAMP}`);
  assert.not.match(
    await failure(buildWith(dir.path, home, { ...material, proto: { "usr/bin/tool": "program 2" } })),
    STAMP,
  );
});

test.run();
