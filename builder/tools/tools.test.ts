import { chmod, mkdir, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isThere } from "../../base/is-there.js";
import { type Progress, silentProgress } from "../../base/progress/progress.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { makeDeb } from "../../fixtures/deb.js";
import { MisbehavingMirror } from "../../fixtures/misbehaving-mirror.js";
import { importLine, startProgram } from "../../fixtures/other-process.js";
import { mirrorsWith, type SmallPackage, smallLock } from "../../fixtures/small-lock.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { type BuilderError, InputError } from "../builder-error.js";
import { openHome } from "../home/home.js";
import { loadProfile } from "../profile/profiles.js";
import { Store } from "../store/store.js";
import { folderOf, readyTools, type ToolSet } from "./tools.js";

const test = suite("tools");
const profile = loadProfile("bookworm");
/** A stand-in for the dynamic loader, which prints its arguments. */
const LOADER = '#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n';

async function packageOf(folder: string, name: string, path: string, content: string): Promise<SmallPackage> {
  const work = join(folder, `package-${name}`);
  await mkdir(work);
  return { name, bytes: await readFile(await makeDeb(work, path, content, 0o755)) };
}

/** A home, and a mirror with the packages `libc`, `qemu` and `extra`: the first set has the first two, the second set the last. */
async function scene() {
  const dir = await TempDir.create("tools");
  const mirror = await MisbehavingMirror.start();
  const packages = [
    await packageOf(dir.path, "libc", "usr/lib64/ld-linux-x86-64.so.2", LOADER),
    await packageOf(dir.path, "qemu", "usr/bin/qemu-system-x86_64", "program"),
    await packageOf(dir.path, "extra", "bin/odd", "program"),
  ];
  const mirrors = mirrorsWith(packages, mirror);
  const locked = smallLock(packages).set("image").packages;
  const pick = (...names: string[]) => locked.filter(({ name }) => names.includes(name));
  const first: ToolSet = { name: "tools", profile, packages: pick("libc", "qemu"), programs: ["qemu-system-x86_64"] };
  const second: ToolSet = { name: "more", profile, packages: pick("extra"), programs: ["odd"], on: first };
  const home = await openHome(join(dir.path, "home"));
  const store = await Store.open(home.store);
  const notes: string[] = [];
  const progress: Progress = { ...silentProgress, note: (text) => notes.push(text) };
  const retry = { retries: 1, retryMs: 10, idleMs: 2_000 };
  const ready = (sets: readonly ToolSet[] = [first, second], at = home) =>
    readyTools({ home: at, store, mirrors: async () => mirrors, progress, retry }, sets);
  return {
    dir: dir.path,
    home,
    store,
    mirror,
    notes,
    first,
    second,
    ready,
    async [Symbol.asyncDispose]() {
      await mirror[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

test(
  "programs start through the loader of their packages, with the libraries of the sets below, from wherever the folder is",
  within(20_000, async () => {
    await using here = await scene();
    const [qemuFolder = "", oddFolder = ""] = await here.ready();
    assert.equal(await readdir(qemuFolder), ["qemu-system-x86_64"]);
    const started = await runProgram(join(oddFolder, "odd"), ["-a", "two words"]);
    const [argv0Option, argv0, pathOption, libraries = "", program = "", ...args] = started.stdout.trim().split("\n");
    assert.equal([argv0Option, argv0, pathOption], ["--argv0", join(oddFolder, "odd"), "--library-path"]);
    const root = join(oddFolder, "..");
    assert.equal(
      libraries.split(":").map((path) => join(path)),
      [join(root, "usr/lib/x86_64-linux-gnu"), join(qemuFolder, "../usr/lib/x86_64-linux-gnu")],
    );
    assert.is(join(program), join(root, "bin/odd"));
    assert.equal(args, ["-a", "two words"]);
    const qemu = (await runProgram(join(qemuFolder, "qemu-system-x86_64"), ["-version"])).stdout;
    assert.match(qemu, /qemu-system-x86_64\n-version\n$/);
    const bundle = await realpath(join(qemuFolder, "../usr/lib/x86_64-linux-gnu/qemu-bundle"));
    assert.is(bundle, await realpath(join(qemuFolder, "..")));
  }),
);

test(
  "tools are fetched and unpacked once; another lock makes other folders",
  within(20_000, async () => {
    await using here = await scene();
    const folders = await here.ready();
    assert.is(here.mirror.requests.length, 3);
    await here.mirror.down();
    assert.equal(await here.ready(), folders);
    assert.is.not(folderOf(here.home, { ...here.first, programs: [] }), folderOf(here.home, here.first));
    const onOther = { ...here.second, on: { ...here.first, programs: [] } };
    assert.is.not(folderOf(here.home, onOther), folderOf(here.home, here.second));
  }),
);

test(
  "two livelabs that need the tools at the same time unpack them once",
  within(20_000, async () => {
    await using here = await scene();
    const [one, two] = await Promise.all([here.ready(), here.ready()]);
    assert.equal(one, two);
    assert.is(here.mirror.requests.length, 3);
    assert.equal((await readdir(here.home.tools)).sort(), one.map((bin) => basename(join(bin, ".."))).sort());
  }),
);

test(
  "a damaged package in the store is named and fetched again",
  within(20_000, async () => {
    await using here = await scene();
    await here.ready();
    await rm(folderOf(here.home, here.first), { recursive: true });
    const path = here.store.pathOf((here.first.packages[1] as { digest: Parameters<Store["pathOf"]>[0] }).digest);
    const bytes = await readFile(path);
    bytes[100] = (bytes[100] as number) ^ 1;
    await chmod(path, 0o644);
    await writeFile(path, bytes);
    await here.ready();
    assert.equal(here.notes, [`qemu 1.0 in the store is damaged, so it is fetched again (${path})`]);
    assert.is(here.mirror.requests.length, 4);
  }),
);

test(
  "a set without one of its programs is refused, and leaves no folder behind",
  within(20_000, async () => {
    await using here = await scene();
    const lacking = { ...here.first, programs: ["qemu-system-x86_64", "absent"] };
    const error = await thrownBy(here.ready([lacking]));
    assert.instance(error, InputError);
    assert.match(String(error), "no package of the tools' lock has the program absent");
    assert.equal(await readdir(here.home.tools), []);
  }),
);

test(
  "tools without one of their launchers are unpacked again, and what a killed livelab left is removed",
  within(20_000, async () => {
    await using here = await scene();
    const [programs = ""] = await here.ready();
    await rm(join(programs, "qemu-system-x86_64"));
    const left = await startProgram(`${importLine("Draft", "../home/draft.js", import.meta.url)}
      const draft = await Draft.begin(${JSON.stringify(join(here.home.tools, "tools"))});
      console.log(draft.folder);
      setInterval(() => {}, 1000);`);
    await left.kill();
    await here.ready();
    assert.equal(await readdir(programs), ["qemu-system-x86_64"]);
    assert.not(await isThere(left.line));
  }),
);

for (const character of [":", ";", "$"]) {
  test(
    `a home whose path has a ${character} is refused before anything is fetched`,
    within(20_000, async () => {
      await using here = await scene();
      const home = await openHome(join(here.dir, `ho${character}me`));
      const error = (await thrownBy(here.ready(undefined, home))) as BuilderError;
      assert.is(error.code, "BAD_HOME_PATH");
      assert.match(error.message, `its path has a "${character}"`);
      assert.equal(here.mirror.requests, []);
    }),
  );
}

test(
  "programs that may not be started are named, with the remedy for a file system that is mounted noexec",
  within(20_000, async () => {
    await using here = await scene();
    const [programs = ""] = await here.ready();
    await chmod(join(programs, "qemu-system-x86_64"), 0o644); // access(2) refuses X_OK as on a noexec file system
    const error = (await thrownBy(here.ready())) as BuilderError;
    assert.equal([error.code, error.kind], ["NO_EXEC", "host"]);
    assert.match(error.message, programs);
    assert.match(error.hint ?? "", "noexec");
  }),
);

test.run();
