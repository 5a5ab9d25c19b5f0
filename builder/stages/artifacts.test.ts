/** Tests which inputs make another initramfs, and when a build may use the stored one. Shell files and lock are the real ones. */
import { appendFile, chmod, cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { Lock, loadLock } from "../profile/lock.js";
import { parseLockSet } from "../profile/lock-set.js";
import { loadProfile } from "../profile/profiles.js";
import { artifactKey, usableArtifactKey } from "./artifacts.js";
import { describeTree } from "./proto-tree.js";
import { type KeyMaterial, stageKey } from "./stage-key.js";
import { initramfs, type Stage, stages } from "./stages.js";

const test = suite("artifacts");

const EARLY = "usr/triton/lib/early-boot/pools.sh";
const LATE = "usr/triton/bin/sysinfo";

interface Scene extends AsyncDisposable {
  readonly stageFolder: string;
  readonly proto: string;
  /** Reads what the key depends on. */
  read(): Promise<KeyMaterial>;
}

/** Makes a proto tree of two files, and a copy of the stages' shell files. */
async function openScene(): Promise<Scene> {
  const dir = await TempDir.create("artifacts");
  const root = findProjectRoot();
  const [stageFolder, proto] = [join(dir.path, "stages"), join(dir.path, "proto")];
  await cp(join(root, "builder/stages"), stageFolder, { recursive: true });
  for (const path of [EARLY, LATE]) {
    await mkdir(join(proto, path, ".."), { recursive: true });
    await writeFile(join(proto, path), "one\n");
  }
  return {
    stageFolder,
    proto,
    read: async () => ({
      lock: await loadLock(root, loadProfile("bookworm")),
      stageFolder,
      baseKey: "base",
      proto: await describeTree(proto),
      gitStatus: "[]",
    }),
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** The material without one package of a lock set. */
function withoutPackage(material: KeyMaterial, set: string): KeyMaterial {
  const { profile, sets, npm } = material.lock;
  const [, ...others] = material.lock.set(set).text.split("\n\n");
  const changed = parseLockSet(set, others.join("\n\n"), set);
  return {
    ...material,
    lock: new Lock(
      profile,
      sets.map((each) => (each.name === set ? changed : each)),
      npm,
    ),
  };
}

test("each input of the initramfs gives it another key", async () => {
  await using scene = await openScene();
  const material = await scene.read();
  const { lock } = material;
  const tools = { ...lock.profile.tools, initrdCompressor: "gzip" as const };
  const inputs: KeyMaterial[] = [
    material,
    withoutPackage(material, "image"),
    { ...material, baseKey: "other" },
    { ...material, lock: new Lock({ ...lock.profile, tools }, lock.sets, lock.npm) },
  ];
  const keys: string[] = [];
  for (const each of inputs) keys.push(await artifactKey(initramfs, each));
  const changes: (() => Promise<void>)[] = [
    () => writeFile(join(scene.proto, EARLY), "two\n"),
    () => chmod(join(scene.proto, EARLY), 0o755),
    () => writeFile(join(scene.proto, "usr/triton/lib/early-boot/new.sh"), ""),
    // It may hide one of Debian's files, or bring a program to read it.
    () => writeFile(join(scene.proto, "usr/triton/bin/new"), ""),
    ...["lib", "build_initramfs", "initramfs_functions", "install_proto", "install_live"].map(
      (name) => () => appendFile(join(scene.stageFolder, `${name}.sh`), "# changed\n"),
    ),
  ];
  for (const change of changes) {
    await change();
    keys.push(await artifactKey(initramfs, await scene.read()));
  }
  assert.is(new Set(keys).size, inputs.length + changes.length);
});

test("another file of proto, the rest of postinstall, and the commit keep the initramfs's key", async () => {
  await using scene = await openScene();
  const material = await scene.read();
  const key = await artifactKey(initramfs, material);
  await writeFile(join(scene.proto, LATE), "two\n");
  await chmod(join(scene.proto, LATE), 0o755);
  await appendFile(join(scene.stageFolder, "postinstall.sh"), "# changed\n");
  assert.is(await artifactKey(initramfs, { ...(await scene.read()), gitStatus: "[1]" }), key);
});

/** Keys that a build with a stamp gives to all stages before the one with the initramfs. */
async function keysBelow(stamp: string, material: KeyMaterial): Promise<{ below: string[]; stage: Stage }> {
  const index = stages.findIndex(({ artifact }) => artifact === initramfs);
  const below: string[] = [];
  for (const stage of stages.slice(0, index)) below.push(await stageKey(stage, below.at(-1), stamp, material));
  return { below, stage: stages[index] as Stage };
}

test("releases with different stamps share the initramfs", async () => {
  await using scene = await openScene();
  const material = await scene.read();
  for (const stamp of ["20260101T000000Z", "20270101T000000Z"]) {
    const { below, stage } = await keysBelow(stamp, material);
    assert.is(await usableArtifactKey(stage, below, material), await artifactKey(initramfs, material));
  }
});

test("a release that keeps the results of an older proto neither uses nor stores an initramfs", async () => {
  await using scene = await openScene();
  const { below, stage } = await keysBelow("20260101T000000Z", await scene.read());
  await writeFile(join(scene.proto, LATE), "two\n");
  assert.is(await usableArtifactKey(stage, below, await scene.read()), undefined);
});

test.run();
