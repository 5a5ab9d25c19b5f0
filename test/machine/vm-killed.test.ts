/** Builds in the builder VM that are killed, or end with a full disk: only the running stage is lost. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import type { StageContext } from "../../builder/stages/stage-run.js";
import { qemuOf } from "../../fixtures/qemu-processes.js";
import { look, snapshots } from "../../fixtures/toy-look.js";
import {
  linkHome,
  openToyBuildContext,
  openToyRelease,
  readySharedHome,
  runToyStages,
  sharedHome,
  TOY_STAMP,
  toyContext,
} from "../../fixtures/toy-stage.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const test = suite("ends of builds in the builder VM");
const STAGES = ["toy_write", "toy_tree", "toy_more"];

/** One digest for all files of a release. */
const treeDigest = (context: StageContext): Promise<string> =>
  look(context, STAGES, "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum");

/** Runs the toy build in its own process, and kills a process when an output line matches. */
async function runKilled(home: string, at: RegExp, victim: "livelab" | "qemu"): Promise<void> {
  const child = spawn(process.execPath, [join(findProjectRoot(), "dist/fixtures/toy-build.js"), home], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const exited = once(child, "exit");
  let killed = false;
  for await (const line of createInterface(child.stdout)) {
    if (!at.test(line) || killed) continue;
    killed = true;
    if (victim === "livelab") child.kill("SIGKILL");
    else for (const pid of await qemuOf(home)) process.kill(pid, "SIGKILL");
  }
  await exited;
  assert.ok(killed, `${at} came`);
}

test("a build killed at any point leaves an importable pool, and resumes to the same result", async () => {
  await using whole = await openToyRelease("vm-whole", { machine: "vm" });
  const expected = whole.context;
  await runToyStages(expected, STAGES);

  await using dir = await TempDir.create("vm-killed");
  const home = await linkHome(dir.path);
  await runKilled(home, /^toy_tree: halfway/, "livelab");
  await runKilled(home, /^toy_tree: halfway/, "qemu");
  await runKilled(home, /^toy_tree: starting/, "livelab");
  await runKilled(home, /^toy_more: halfway/, "qemu");
  await runKilled(home, /^toy_more: halfway/, "livelab");
  const buildContext = await openToyBuildContext(home, { machine: "vm" });
  await using gateway = buildContext.createGateway();
  const context = await toyContext(buildContext, gateway);
  const done = (stage: string): string => `triton/debian-live-${TOY_STAMP}@${stage}-done`;
  assert.equal(await snapshots(context), [done("toy_write"), done("toy_tree")]);
  await runToyStages(context, STAGES);
  assert.is(await treeDigest(context), await treeDigest(expected));
  assert.equal(
    (await readdir(buildContext.home.machines)).filter((name) => name.startsWith("vm.")),
    [],
    "folders of killed machines are swept",
  );
});

const fullDisk = "a full disk of the VM's host is reported as such, and the build resumes once it has space";
testUnless(test, fullDisk, needsRoot("to mount the small file system that is filled"), tellsFullDisk);

async function tellsFullDisk(): Promise<void> {
  await using dir = await TempDir.create("vm-full");
  await readySharedHome("vm");
  // A file system that only this child sees, so that nothing is left when it ends. The test later makes it larger.
  const { stdout } = await runProgram("unshare", [
    ...["--mount", "--propagation", "private", "sh", "-euc"],
    [
      'mkdir "$1/home"; mount -t tmpfs -o size=1200m tmpfs "$1/home"; mkdir "$1/home/vm"',
      'for part in store bases vm/states; do ln -s "$2/$part" "$1/home/$part"; done',
      '"$3" "$4" "$1/home" vm; mount -o remount,size=3g "$1/home"; exec "$3" "$5" "$1/home"',
    ].join("\n"),
    ...["sh", dir.path, sharedHome(), process.execPath],
    ...["full-disk-stage.js", "toy-build.js"].map((file) => join(findProjectRoot(), "dist/fixtures", file)),
  ]);
  const [first, ...rest] = stdout.split("\n");
  const failure = JSON.parse(String(first));
  assert.is(failure.code, "STAGE_DISK_FULL");
  assert.match(failure.message, join(dir.path, "home"));
  assert.match(failure.hint ?? "", `livelab build -r ${TOY_STAMP}`);
  assert.equal(failure.kept, ["toy_write"]);
  assert.ok(rest.includes("done"), "it goes on");
}

test.run();
