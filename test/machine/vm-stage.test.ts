/** Stages in the real builder VM: what they see and leave, how failures are reported, and what releases share. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isThere } from "../../base/is-there.js";
import type { LivelabError } from "../../base/livelab-error.js";
import { silentProgress } from "../../base/progress/progress.js";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import type { Release } from "../../builder/release/release.js";
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
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const test = suite("stages in the builder VM");
const STAGES = ["toy_write", "toy_tree", "toy_more"];

const failureOf = (work: Promise<unknown>): Promise<LivelabError> => thrownBy(work) as Promise<LivelabError>;

test("each stage sees the files of earlier stages, in its own root, without a network", async () => {
  await using toy = await openToyRelease("vm-stage", { machine: "vm" });
  const { buildContext, context } = toy;
  await runToyStages(context, STAGES);
  assert.equal(
    await snapshots(context),
    STAGES.map((stage) => `triton/debian-live-${TOY_STAMP}@${stage}-done`),
  );
  const seen = await look(context, STAGES, "ls; ls /sys/class/net /data/.system_pool; echo more >>stamps; cat stamps");
  assert.is(seen, `stamps\ntree1\ntree2\n/data/.system_pool\n\n/sys/class/net:\nlo\n${TOY_STAMP}\nmore\n`);
  assert.is(await look(context, STAGES, "cat stamps"), `${TOY_STAMP}\n`, "looking changes nothing");
  assert.is(await look(context, STAGES, "head -c 6 tree1/mapped"), "mapped");
  assert.is(await look(context, STAGES.slice(0, 1), "ls"), "stamps\n");
  const left = await readdir(buildContext.home.machines);
  assert.equal(
    left.filter((name) => name.startsWith("vm.")),
    [],
  );
});

test("files that are not in the lock are refused; a failed stage leaves its state, its log and the command to inspect it", async () => {
  await using toy = await openToyRelease("vm-stage", { machine: "vm" });
  const { context } = toy;
  const failure = await failureOf(runToyStages(context, ["toy_write", "toy_fail"]));
  assert.is(failure.code, "STAGE_FAILED");
  assert.match(failure.message, "stage toy_fail ended with status 9");
  assert.match(failure.message, "| cannot find the thing");
  assert.match(failure.hint ?? "", `livelab shell -r ${TOY_STAMP}`);
  assert.is(await look(context, ["toy_write"], "cat left-behind", "toy_fail"), "kept\n");
  assert.is(await context.machines.find("toy_fail"), undefined);

  const refused = await failureOf(runToyStages(context, ["toy_write", "toy_forbidden"]));
  assert.is(refused.code, "REFUSED");
  assert.match(refused.message, "stage toy_forbidden requested");
  assert.match(refused.message, "cowsay_3.03_all.deb");
  assert.is(await look(context, ["toy_write"], "ls"), "stamps\n", "what failed is rolled back");
});

test("files of stages are copied out through a disk; a missing folder is reported", async () => {
  await using toy = await openToyRelease("vm-out", { machine: "vm" });
  const { context } = toy;
  await runToyStages(context, ["toy_write"]);
  await using dir = await TempDir.create("copied");
  await using machine = await context.machines.show({ stamp: TOY_STAMP, stages: ["toy_write"] });
  const { signal } = new AbortController();
  // Three pieces, the last not in whole blocks; and an empty file.
  const made = await machine.ssh.exec(
    `mkdir -p "/run/it's/sub" && cd "/run/it's" && head -c 150000001 /dev/urandom >sub/bulk && : >empty && sha256sum sub/bulk`,
  );
  assert.is(made.status, 0, made.stderr);
  const copied = await machine.copyOut("/run/it's", dir.path, signal);
  assert.equal((await readdir(dir.path)).sort(), ["empty", "sub"]);
  assert.is((await stat(join(dir.path, "empty"))).size, 0);
  const hash = createHash("sha256");
  await pipeline(createReadStream(join(dir.path, "sub/bulk")), hash);
  const sha256 = hash.digest("hex");
  assert.is(made.stdout.toString(), `${sha256}  sub/bulk\n`);
  assert.equal(
    copied.find(({ path }) => path === "sub/bulk"),
    { path: "sub/bulk", bytes: 150_000_001, sha256 },
  );
  const absent = await failureOf(machine.copyOut("/run/nothing", dir.path, signal));
  assert.is(absent.code, "STAGE_OUTPUT");
  assert.match(absent.message, /^cannot copy \/run\/nothing out of the builder machine: find: .*nothing/);
});

test("releases share common data, and each can be rolled back or removed without harm to the other", async () => {
  await using toy = await openToyRelease("vm-shared", { machine: "vm" });
  const { buildContext, context: first } = toy;
  await runToyStages(first, STAGES);
  const second = { ...first, stamp: "20260203T040506Z" };
  await mkdir(join(buildContext.home.builds, second.stamp, "logs"), { recursive: true });
  // It differs from the first release after the second stage.
  await runToyStages(second, ["toy_write", "toy_tree", "toy_other"]);
  assert.is(
    await look(second, ["toy_write", "toy_tree", "toy_other"], "cat stamps"),
    `${TOY_STAMP}\n${second.stamp}\n`,
  );

  // The first release is rolled back to before the point where the second was cloned.
  await runToyStages(first, ["toy_write", "toy_again"]);
  assert.is(await look(first, ["toy_write", "toy_again"], "ls"), "stamps\n");
  assert.is(await look(second, ["toy_write", "toy_tree", "toy_other"], "ls"), "stamps\ntree1\n");

  const kept: Release = { version: 1, stamp: second.stamp, profile: "bookworm", machine: "vm", stages: [] };
  assert.is(await buildContext.machines.collectGarbage([kept]), 1);
  assert.is(await look(second, ["toy_write", "toy_tree", "toy_other"], "ls"), "stamps\ntree1\n");
  await buildContext.machines.collectGarbage([]);
  assert.not(await isThere(join(buildContext.home.vm, "pool.raw")));
});

test("a saved state that was cut short is detected, removed and made again", async () => {
  await using dir = await TempDir.create("vm-state");
  const home = await linkHome(dir.path);
  await rm(join(home, "vm/states"));
  const notes: string[] = [];
  const progress = { ...silentProgress, note: (text: string) => notes.push(text) };
  const buildContext = await openToyBuildContext(home, { machine: "vm", progress });
  await using gateway = buildContext.createGateway();
  const context = await toyContext(buildContext, gateway);
  const [state] = await readdir(join(home, "vm/states"));
  await truncate(join(home, "vm/states", String(state), "state"), 50_000_000);
  assert.is(await look(context, [], "pwd"), `/data/debian-live/${TOY_STAMP}\n`);
  assert.match(notes.at(-1) ?? "", "removed the builder VM's unusable saved state");
  assert.equal(await readdir(join(home, "vm/states")), []);
});

const outside = "a build in the VM writes nothing outside LIVELAB_HOME and the temp folder";
testUnless(test, outside, needsRoot("to mount all else read-only"), writesNothingOutside);

async function writesNothingOutside(): Promise<void> {
  await using dir = await TempDir.create("vm-outside");
  const home = await linkHome(dir.path);
  await readySharedHome("vm");
  const { stdout } = await runProgram("unshare", [
    ...["--mount", "--propagation", "private", "sh", "-euc"],
    [
      // The home's store and bases are links to the shared ones.
      'mount --bind "$1" "$1"; mount --bind "$5" "$5"; mount -o remount,ro,bind /',
      '! touch "$2/probe" 2>/dev/null || { echo "it is not read-only" >&2; exit 1; }',
      'exec "$3" "$2/dist/fixtures/toy-build.js" "$4"',
    ].join("\n"),
    ...["sh", tmpdir(), findProjectRoot(), process.execPath, home, sharedHome()],
  ]);
  assert.ok(stdout.endsWith("done\n"), stdout);
}

test.run();
