/** Stages in the real builder VM: what they see and leave, how their ends are told, and that a killed build goes on. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { poolRecordFile, readPoolRecord } from "../../builder/machines/pool-record.js";
import type { Release } from "../../builder/release.js";
import type { StageContext } from "../../builder/stage-run.js";
import { qemuOf } from "../../fixtures/qemu-processes.js";
import {
  linkHome,
  openToyWorkshop,
  runToyStages,
  sharedHome,
  TOY_STAMP,
  toyContext,
} from "../../fixtures/toy-stage.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import type { LivelabError } from "../../vm/livelab-error.js";
import { silentProgress } from "../../vm/progress.js";
import { findProjectRoot } from "../../vm/project-root.js";
import { TempDir } from "../../vm/temp-dir.js";
import { skipTest } from "../runner/skip-test.js";

const test = suite("stages in the builder VM");
const run = promisify(execFile);
const STAGES = ["toy_write", "toy_tree", "toy_more"];
const done = (stage: string, stamp = TOY_STAMP): string => `triton/debian-live-${stamp}@${stage}-done`;

const failureOf = (work: Promise<unknown>): Promise<LivelabError> => thrownBy(work) as Promise<LivelabError>;

/** A command's output in a machine that shows what the stages left. */
async function look(
  context: StageContext,
  stages: readonly string[],
  command: string,
  failed = false,
): Promise<string> {
  await using machine = await context.machines.show({ stamp: context.stamp, stages, failed });
  const { status, stdout, stderr } = await machine.ssh.exec(`cd /data/debian-live/${context.stamp} && { ${command}; }`);
  assert.is(status, 0, stderr);
  return stdout.toString();
}

/** One digest for all files of a release. */
const treeDigest = (context: StageContext): Promise<string> =>
  look(context, STAGES, "find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum");

const snapshots = async (context: StageContext): Promise<string[]> =>
  (await readPoolRecord(poolRecordFile(context.home))).stages.map(({ snapshot }) => snapshot);

test("each sees what those before it left, in a root of its own, without a network", async () => {
  await using dir = await TempDir.create("vm-stage");
  const workshop = await openToyWorkshop(await linkHome(dir.path), { machine: "vm" });
  await using gateway = workshop.createGateway();
  const context = await toyContext(workshop, gateway);
  await runToyStages(context, STAGES);
  assert.equal(
    await snapshots(context),
    STAGES.map((stage) => done(stage)),
  );
  const seen = await look(context, STAGES, "ls; ls /sys/class/net /data/.system_pool; echo more >>stamps; cat stamps");
  assert.is(seen, `stamps\ntree1\ntree2\n/data/.system_pool\n\n/sys/class/net:\nlo\n${TOY_STAMP}\nmore\n`);
  assert.is(await look(context, STAGES, "cat stamps"), `${TOY_STAMP}\n`, "looking changes nothing");
  assert.is(await look(context, STAGES.slice(0, 1), "ls"), "stamps\n");
  const left = await readdir(workshop.home.machines);
  assert.equal(
    left.filter((name) => name.startsWith("vm-")),
    [],
  );
});

test("what the lock does not name is refused; a failed stage leaves its state, its log and the way to look", async () => {
  await using dir = await TempDir.create("vm-stage");
  const workshop = await openToyWorkshop(await linkHome(dir.path), { machine: "vm" });
  await using gateway = workshop.createGateway();
  const context = await toyContext(workshop, gateway);
  const failure = await failureOf(runToyStages(context, ["toy_write", "toy_fail"]));
  assert.is(failure.code, "STAGE_FAILED");
  assert.match(failure.message, "stage toy_fail ended with status 9");
  assert.match(failure.message, "| cannot find the thing");
  assert.match(failure.hint ?? "", `livelab shell -r ${TOY_STAMP}`);
  assert.is(await look(context, ["toy_write"], "cat left-behind", true), "kept\n");
  assert.is(await context.machines.find("toy_fail"), undefined);

  const refused = await failureOf(runToyStages(context, ["toy_write", "toy_forbidden"]));
  assert.is(refused.code, "REFUSED");
  assert.match(refused.message, "stage toy_forbidden asked for");
  assert.match(refused.message, "cowsay_3.03_all.deb");
  assert.is(await look(context, ["toy_write"], "ls"), "stamps\n", "what failed is rolled back");
});

/** Runs the toy build in a process of its own, and kills something when a line of its output matches. */
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

test("a build killed at any point leaves a pool that imports, and goes on to the same result", async () => {
  await using whole = await TempDir.create("vm-whole");
  const whole1 = await openToyWorkshop(await linkHome(whole.path), { machine: "vm" });
  await using gateway = whole1.createGateway();
  const expected = await toyContext(whole1, gateway);
  await runToyStages(expected, STAGES);

  await using dir = await TempDir.create("vm-killed");
  const home = await linkHome(dir.path);
  await runKilled(home, /^toy_tree: halfway/, "livelab");
  await runKilled(home, /^toy_tree: halfway/, "qemu");
  await runKilled(home, /^toy_tree: starting/, "livelab");
  await runKilled(home, /^toy_more: halfway/, "qemu");
  await runKilled(home, /^toy_more: halfway/, "livelab");
  const workshop = await openToyWorkshop(home, { machine: "vm" });
  const context = await toyContext(workshop, gateway);
  assert.equal(await snapshots(context), [done("toy_write"), done("toy_tree")]);
  await runToyStages(context, STAGES);
  assert.is(await treeDigest(context), await treeDigest(expected));
  assert.equal(
    (await readdir(workshop.home.machines)).filter((name) => name.startsWith("vm-")),
    [],
    "folders of killed machines are swept",
  );
});

test("releases share what they have in common, and each can go back or go without harm to the other", async () => {
  await using dir = await TempDir.create("vm-shared");
  const workshop = await openToyWorkshop(await linkHome(dir.path), { machine: "vm" });
  await using gateway = workshop.createGateway();
  const first = await toyContext(workshop, gateway);
  await runToyStages(first, STAGES);
  const second = { ...first, stamp: "20260203T040506Z" };
  await mkdir(join(workshop.home.builds, second.stamp, "logs"), { recursive: true });
  // Goes another way after the second stage of the first release.
  await runToyStages(second, ["toy_write", "toy_tree", "toy_other"]);
  assert.is(
    await look(second, ["toy_write", "toy_tree", "toy_other"], "cat stamps"),
    `${TOY_STAMP}\n${second.stamp}\n`,
  );

  // The first goes back before the point where the second was cloned from it.
  await runToyStages(first, ["toy_write", "toy_again"]);
  assert.is(await look(first, ["toy_write", "toy_again"], "ls"), "stamps\n");
  assert.is(await look(second, ["toy_write", "toy_tree", "toy_other"], "ls"), "stamps\ntree1\n");

  const kept: Release = { version: 1, stamp: second.stamp, profile: "bookworm", machine: "vm", stages: [] };
  assert.is(await workshop.machines.collectGarbage([kept]), 1);
  assert.is(await look(second, ["toy_write", "toy_tree", "toy_other"], "ls"), "stamps\ntree1\n");
  await workshop.machines.collectGarbage([]);
  assert.is(await stat(join(workshop.home.vm, "pool.raw")).catch(() => undefined), undefined);
});

test("a saved state that was cut short is noticed, dropped and made again", async () => {
  await using dir = await TempDir.create("vm-state");
  const home = await linkHome(dir.path);
  await rm(join(home, "vm/states"));
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (text: string) => notes.push(text) };
  const workshop = await openToyWorkshop(home, { machine: "vm", progress });
  await using gateway = workshop.createGateway();
  const context = await toyContext(workshop, gateway);
  const [state] = await readdir(join(home, "vm/states"));
  await truncate(join(home, "vm/states", String(state), "state"), 50_000_000);
  assert.is(await look(context, [], "pwd"), `/data/debian-live/${TOY_STAMP}\n`);
  assert.match(notes.at(-1) ?? "", "the builder VM's saved state is of no use and was dropped");
  assert.equal(await readdir(join(home, "vm/states")), []);
});

const fullDisk = "a host's disk that fills up under the VM is told as such, and the build goes on when there is room";
if (process.getuid?.() === 0) test(fullDisk, tellsFullDisk);
else skipTest(test, fullDisk, "only root can mount the small file system that is filled");

async function tellsFullDisk(): Promise<void> {
  await using dir = await TempDir.create("vm-full");
  await openToyWorkshop(sharedHome(), { machine: "vm" }).then((workshop) =>
    workshop.ready(TOY_STAMP, workshop.createGateway()),
  );
  // A file system that only this child sees, so that nothing is left when it ends; then it is made larger.
  const { stdout } = await run("unshare", [
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

const outside = "a build in the VM writes nothing outside LIVELAB_HOME and the temp folder";
if (process.getuid?.() === 0) test(outside, writesNothingOutside);
else skipTest(test, outside, "only root can mount all else read-only");

async function writesNothingOutside(): Promise<void> {
  await using dir = await TempDir.create("vm-outside");
  const home = await linkHome(dir.path);
  await openToyWorkshop(sharedHome(), { machine: "vm" }).then((workshop) =>
    workshop.ready(TOY_STAMP, workshop.createGateway()),
  );
  const { stdout } = await run("unshare", [
    ...["--mount", "--propagation", "private", "sh", "-euc"],
    [
      'mount --bind "$1" "$1"; mount -o remount,ro,bind /',
      '! touch "$2/probe" 2>/dev/null || { echo "it is not read-only" >&2; exit 1; }',
      'exec "$3" "$2/dist/fixtures/toy-build.js" "$4"',
    ].join("\n"),
    ...["sh", tmpdir(), findProjectRoot(), process.execPath, home],
  ]);
  assert.ok(stdout.endsWith("done\n"), stdout);
}

test.run();
