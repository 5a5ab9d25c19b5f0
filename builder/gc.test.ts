/** Tests what gc removes and keeps, with fake machines, and that gc makes no root or modules to clean up the builder VM. */
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isThere } from "../base/is-there.js";
import type { Progress } from "../base/progress/progress.js";
import { silentProgress } from "../base/progress/progress.js";
import { findProjectRoot } from "../base/project-root.js";
import { TempDir } from "../base/temp-dir.js";
import { sha256Of } from "../fixtures/misbehaving-mirror.js";
import { smallLock, smallPackages } from "../fixtures/small-lock.js";
import { thrownBy } from "../fixtures/vm-deadline.js";
import type { BuildContext } from "./build-context.js";
import { collectGarbage, type GcRequest } from "./gc.js";
import { type LivelabHome, openHome } from "./home/home.js";
import type { BuilderMachines } from "./machines/builder-machine.js";
import { poolRecordFile, readPoolRecord, savePoolRecord } from "./machines/vm/pool-record.js";
import { VmStages } from "./machines/vm/vm-stages.js";
import { Lock, loadLock } from "./profile/lock.js";
import { loadProfile, toolsSpec } from "./profile/profiles.js";
import { listReleases, type Release, saveRelease } from "./release/release.js";
import { artifactKey, artifactPath } from "./stages/artifacts.js";
import { initramfs, stages } from "./stages/stages.js";
import { Store } from "./store/store.js";
import { folderOf, type ToolSet } from "./tools/tools.js";

const test = suite("gc");
/** The programs that the locks name. */
const tools: ToolSet = { name: "tools", profile: toolsSpec, packages: [], programs: ["true"] };
/** Keys of bases. */
const [MINE, OTHER] = ["1".repeat(64), "2".repeat(64)] as const;
const asRoot = process.getuid?.() === 0;
const stamps = ["20260101T000000Z", "20260102T000000Z", "20260103T000000Z"] as const;

const release = (stamp: string, machine: Release["machine"], ...keys: readonly string[]): Release => ({
  version: 1,
  stamp,
  profile: "bookworm",
  machine,
  stages: keys.map((key) => ({ name: key, key, reused: false, durationMs: 1 })),
});

/** Makes a home with a release at each of `stamps`. */
async function openScene(
  dir: TempDir,
): Promise<{ home: LivelabHome; store: Store; material: BuildContext["material"] }> {
  const home = await openHome(join(dir.path, "home"));
  for (const stamp of stamps) await saveRelease(home, release(stamp, "sandbox", `of-${stamp}`));
  const root = findProjectRoot();
  const material = {
    lock: await loadLock(root, loadProfile("bookworm")),
    stageFolder: join(root, "builder/stages"),
    baseKey: MINE,
    proto: { "usr/bin/tool": "program 1" },
    gitStatus: "[]",
  };
  return { home, store: await Store.open(home.store), material };
}

interface FakeMachines {
  readonly kind: BuilderMachines["kind"];
  readonly baseKey: string;
  readonly kept: string[][];
}

/** Makes a build context whose machines only record the kept releases, and report two removed results. */
function buildContextOf(
  scene: Awaited<ReturnType<typeof openScene>>,
  machines: FakeMachines,
  lock: BuildContext["lock"] = smallLock(smallPackages(["none"], 10)),
): BuildContext {
  return {
    ...scene,
    lock,
    toolsLock: new Lock(toolsSpec, [], []),
    toolSets: [tools],
    options: { asRoot },
    machines: {
      ...machines,
      collectGarbage: async (kept: readonly Release[]) => {
        machines.kept.push(kept.map(({ stamp }) => stamp));
        return 2;
      },
    },
  } as unknown as BuildContext;
}

const stampsIn = async (home: LivelabHome): Promise<string[]> => (await listReleases(home)).map(({ stamp }) => stamp);

test("gc keeps the newest releases, and each kind of machine is called once to keep their results", async () => {
  await using dir = await TempDir.create("gc");
  const scene = await openScene(dir);
  const sandbox: FakeMachines = { kind: "sandbox", baseKey: "a", kept: [] };
  const other: FakeMachines = { kind: "sandbox", baseKey: "b", kept: [] };
  const vm: FakeMachines = { kind: "vm", baseKey: "c", kept: [] };
  const buildContexts = [sandbox, other, vm].map((machines) => buildContextOf(scene, machines));
  const report = await collectGarbage({ keep: 2, buildContexts });
  assert.equal(report, { releases: 1, layers: 2, snapshots: 2, bases: 0, tools: 0, inputs: 0, artifacts: 0 });
  assert.equal(await stampsIn(scene.home), stamps.slice(1));
  assert.equal([sandbox.kept, other.kept, vm.kept], [[stamps.slice(1)], [], [stamps.slice(1)]]);
});

test("gc with keep 0 removes all releases, and with a keep above their number it removes none", async () => {
  for (const [keep, left] of [
    [0, []],
    [9, [...stamps]],
  ] as const) {
    await using dir = await TempDir.create("gc");
    const scene = await openScene(dir);
    const sandbox: FakeMachines = { kind: "sandbox", baseKey: "a", kept: [] };
    assert.is(
      (await collectGarbage({ keep, buildContexts: [buildContextOf(scene, sandbox)] })).releases,
      3 - left.length,
    );
    assert.equal(await stampsIn(scene.home), left);
  }
});

test("gc keeps bases of all build contexts, inputs of all locks, artifacts of present stages and folders of the user, and removes others", async () => {
  await using dir = await TempDir.create("gc");
  const scene = await openScene(dir);
  const { home, store, material } = scene;
  for (const base of [MINE, OTHER, "0".repeat(64), "a-users"]) await mkdir(join(home.bases, base));
  const oldTools = `tools-${"0".repeat(16)}`;
  for (const name of [basename(folderOf(home, tools)), oldTools, "a-users"]) await mkdir(join(home.tools, name));
  await mkdir(join(home.vm, "states", "one"), { recursive: true });
  const [first, second, old] = smallPackages(["apt", "jq", "curl"], 100).map((each) => ({
    ...each,
    digest: sha256Of(each.bytes),
  }));
  assert.ok(first && second && old);
  for (const { digest, bytes, name } of [first, second, old]) {
    await store.add(digest, Readable.from([bytes]), name, "a test");
  }
  const specs = [...new Set(stages.flatMap(({ artifact }) => artifact ?? []))];
  const present: string[] = [];
  for (const spec of specs) present.push(artifactPath(home, spec, await artifactKey(spec, material)));
  const early = { ...material, proto: { "usr/triton/lib/early-boot/pools.sh": "file 1" } };
  const oldArtifact = artifactPath(home, initramfs, await artifactKey(initramfs, early));
  for (const path of [...present, oldArtifact]) {
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, "");
  }
  const buildContexts = [
    buildContextOf(scene, { kind: "sandbox", baseKey: MINE, kept: [] }, smallLock([first])),
    buildContextOf(scene, { kind: "sandbox", baseKey: OTHER, kept: [] }, smallLock([second])),
  ];
  const report = await collectGarbage({ keep: 3, buildContexts });
  assert.equal(report, { releases: 0, layers: 2, snapshots: 0, bases: 1, tools: 1, inputs: 1, artifacts: 1 });
  assert.equal((await readdir(home.bases)).sort(), [MINE, OTHER, "a-users"]);
  assert.equal((await readdir(home.tools)).sort(), ["a-users", basename(folderOf(home, tools))]);
  assert.equal(await Promise.all([first, second, old].map(({ digest }) => store.has(digest))), [true, true, false]);
  for (const path of present) assert.ok(await isThere(path), path);
  assert.not(await isThere(oldArtifact));
  assert.not(await isThere(join(home.vm, "states")));
});

test("gc without a build context throws and removes no file", async () => {
  assert.match(
    String(await thrownBy(collectGarbage({ keep: 0, buildContexts: [] } satisfies GcRequest))),
    "without a profile",
  );
});

/** A sandbox that gc of the builder VM must not use. */
const forbidden = new Proxy({} as BuilderMachines, {
  get: (_target, name) => {
    throw new Error(`gc used ${String(name)} of the sandbox, which makes bases`);
  },
});

const snapshot = (stamp: string) => ({
  snapshot: `triton/debian-live-${stamp}@a-done`,
  key: `of-${stamp}`,
  durationMs: 1,
});

interface VmScene {
  readonly dropped: number;
  readonly notes: readonly string[];
  /** Stamps in the pool's record. */
  readonly recorded: readonly string[];
  readonly disk: boolean;
  readonly modules: boolean;
}

/**
 * Runs gc of the builder VM with snapshots of two releases.
 * @param kept releases to keep @param base whether the VM's root exists
 */
async function collectVm(kept: readonly Release[], { base = false, disk = true } = {}): Promise<VmScene> {
  await using dir = await TempDir.create("gc-vm");
  const { home, store, material } = await openScene(dir);
  const notes: string[] = [];
  const progress: Progress = {
    note: (text) => notes.push(text),
    step: (title, work) => {
      notes.push(`step: ${title}`);
      return silentProgress.step(title, work);
    },
  };
  const root = findProjectRoot();
  const vm = await VmStages.open({
    home,
    store,
    lock: material.lock,
    sandbox: forbidden,
    cloudBase: undefined,
    proxy: {},
    projectRoot: root,
    stageFolder: material.stageFolder,
    accelerator: "tcg",
    progress,
    signal: AbortSignal.timeout(20_000),
  });
  if (disk) await writeFile(join(home.vm, "pool.raw"), "");
  await savePoolRecord(poolRecordFile(home), {
    version: 1,
    created: true,
    stages: [snapshot(stamps[0]), snapshot(stamps[1])],
  });
  if (base) {
    await mkdir(join(home.bases, vm.baseKey));
    for (const file of ["vmlinuz", "initrd", "root.squashfs"]) await writeFile(join(home.bases, vm.baseKey, file), "");
  }
  // A QEMU that does not start a machine.
  await writeFile(
    join(dir.path, "qemu-system-x86_64"),
    '#!/bin/sh\ncase $1 in --version|-version) echo "QEMU emulator version 7.2.0" ;; *) echo refused >&2; exit 1 ;; esac\n',
  );
  await chmod(join(dir.path, "qemu-system-x86_64"), 0o755);
  const path = process.env["PATH"];
  process.env["PATH"] = `${dir.path}:${path}`;
  try {
    const dropped = await vm.collectGarbage(kept);
    const record = await readPoolRecord(poolRecordFile(home));
    return {
      dropped,
      notes,
      recorded: record.stages.map(({ key }) => key.replace("of-", "")),
      disk: await isThere(join(home.vm, "pool.raw")),
      modules: await isThere(join(home.store, "artifacts")),
    };
  } finally {
    process.env["PATH"] = path;
  }
}

const keeping = [release(stamps[1], "vm", `of-${stamps[1]}`)];

test("without the builder VM's root, gc keeps its snapshots with a note, and makes neither root nor modules", async () => {
  const { dropped, notes, recorded, modules } = await collectVm(keeping);
  assert.is(dropped, 0);
  assert.equal(recorded, stamps.slice(0, 2));
  assert.is(notes.length, 1);
  assert.match(notes[0] ?? "", `the builder VM keeps the snapshots of ${stamps[0]}: its root is missing`);
  assert.not(modules);
});

test("with a root but no ZFS modules, gc starts the VM at once, and keeps the snapshots if the VM does not start", async () => {
  const { dropped, notes, recorded, modules } = await collectVm(keeping, { base: true });
  assert.is(dropped, 0);
  assert.equal(recorded, stamps.slice(0, 2));
  assert.match(notes.at(-1) ?? "", `the builder VM keeps the snapshots of ${stamps[0]}: `);
  assert.equal(
    notes.filter((note) => note.startsWith("step:")),
    [],
  );
  assert.not(modules);
});

test("gc removes the VM's disk without starting a machine if no kept release is of the VM", async () => {
  const { dropped, notes, recorded, disk } = await collectVm([release(stamps[1], "sandbox", "x")]);
  assert.equal([dropped, recorded, disk, notes], [2, [], false, []]);
});

test("gc removes the record of a missing disk, and makes no disk", async () => {
  const { recorded, disk, notes } = await collectVm(keeping, { base: true, disk: false });
  assert.equal([recorded, disk, notes], [[], false, []]);
});

test("gc does not touch the pool if all snapshots belong to kept releases", async () => {
  const both = [release(stamps[0], "vm", `of-${stamps[0]}`), ...keeping];
  const { dropped, notes, recorded } = await collectVm(both);
  assert.equal([dropped, notes, recorded], [0, [], stamps.slice(0, 2)]);
});

test.run();
