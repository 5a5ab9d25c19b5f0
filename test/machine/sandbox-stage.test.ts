/** Stages in the real sandbox: what they see, what they may not do, and how their failures are reported. */
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LivelabError } from "../../base/livelab-error.js";
import { silentStep } from "../../base/progress/progress.js";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import type { BuildContext } from "../../builder/build-context.js";
import { failedLayerFolder } from "../../builder/home/home.js";
import { releaseInside } from "../../builder/machines/builder-machine.js";
import { sandboxLack } from "../../fixtures/sandbox-lack.js";
import { openToyRelease, readySharedHome, runToyStages, sharedHome, TOY_STAMP } from "../../fixtures/toy-stage.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const suiteOfStages = suite("stages in the sandbox");
const test = (title: string, body: () => Promise<void>): void => testUnless(suiteOfStages, title, sandboxLack, body);
/** Path of a file in the layer of a stage. */
const layerFile = (buildContext: BuildContext, key: string, name: string): string =>
  join(buildContext.home.layers, key, "fs", name);

const failureOf = (work: Promise<unknown>): Promise<LivelabError> => thrownBy(work) as Promise<LivelabError>;

test("each stage sees the files of earlier stages, and writes its own layer", async () => {
  await using toy = await openToyRelease("stage");
  const { buildContext, context } = toy;
  await runToyStages(context, ["toy_write"]);
  assert.is(await readFile(layerFile(buildContext, "toy_write", "stamps"), "utf8"), `${TOY_STAMP}\n`);
  await using machine = await context.machines.show({ stamp: TOY_STAMP, stages: ["toy_write"] });
  const seen = await machine.ssh.exec(
    `echo more >>/data/debian-live/${TOY_STAMP}/stamps; cat /data/debian-live/*/stamps`,
  );
  assert.is(seen.stdout.toString(), `${TOY_STAMP}\nmore\n`);
  assert.is(await readFile(layerFile(buildContext, "toy_write", "stamps"), "utf8"), `${TOY_STAMP}\n`);
});

/** Commands that make two layers: the second hides, replaces and changes files of the first. */
const LAYERS = {
  one: "mkdir -p image/folder image/gone && cd image && echo 1 >kept && echo 1 >changed && echo 1 >removed && echo 1 >mode && echo 1 >folder/old && echo 1 >gone/old",
  two: "cd image && echo 2 >>changed && rm removed && chmod 600 mode && rm -r gone folder && mkdir folder && echo 2 >folder/new && echo 2 >added",
};

test("files of a release are copied from its layers on the host, as the machine shows them", async () => {
  await using toy = await openToyRelease("copy-layers");
  const { machines } = toy.context;
  const release = releaseInside(TOY_STAMP);
  const { signal } = new AbortController();
  const below: string[] = [];
  for (const [key, command] of Object.entries(LAYERS)) {
    await using machine = await machines.begin({ stamp: TOY_STAMP, stage: key, key, below: [...below] }, silentStep);
    const made = await machine.ssh.exec(`cd ${release} && ${command}`);
    assert.is(made.status, 0, made.stderr);
    await machine.commit({ stage: key, durationMs: 0 });
    below.push(key);
  }

  await using machine = await machines.show({ stamp: TOY_STAMP, stages: below });
  const exec = machine.ssh.exec.bind(machine.ssh);
  const commands: string[] = [];
  machine.ssh.exec = (command, options) => {
    commands.push(command);
    return exec(command, options);
  };
  /** Copies a folder. @returns whether its bytes passed the machine */
  const copy = async (folder: string): Promise<boolean> => {
    await using dir = await TempDir.create("copied");
    commands.length = 0;
    const copied = await machine.copyOut(folder, dir.path, signal);
    const throughSsh = commands.some((command) => command.startsWith("tar "));
    const sums = `find . -type f -exec sha256sum {} + | sort`;
    const shown = await exec(`cd ${folder} && ${sums}`);
    const lines = shown.stdout.toString().trimEnd().split("\n");
    const { stdout } = await runProgram("sh", ["-c", sums], { cwd: dir.path });
    assert.equal(stdout.trimEnd().split("\n"), lines);
    assert.equal(copied.map(({ path, sha256 }) => `${sha256}  ./${path}`).sort(), lines.sort());
    for (const { path, bytes } of copied) assert.is((await stat(join(dir.path, path))).size, bytes, path);
    return throughSsh;
  };
  assert.is(await copy(`${release}/image`), false);
  await exec(`echo 3 >>${release}/image/kept; mkdir -p /run/image; echo 4 >/run/image/other`);
  assert.is(await copy(`${release}/image`), true, "a lower file that was changed since");
  assert.is(await copy("/run/image"), true, "a folder outside the release");
});

test("a machine has only a loopback network, and no access to the host's files", async () => {
  await using toy = await openToyRelease("stage");
  const { context } = toy;
  await using machine = await context.machines.show({ stamp: TOY_STAMP, stages: [] });
  const { stdout } = await machine.ssh.exec(
    `ls /sys/class/net; ip route; ls -d ${findProjectRoot()} /.host 2>&1 | grep -c 'No such'`,
  );
  assert.is(stdout.toString(), "lo\n2\n");
});

test("a command's status, signal, outputs and input are passed on", async () => {
  await using toy = await openToyRelease("stage");
  const { machines } = toy.context;
  await using machine = await machines.show({ stamp: TOY_STAMP, stages: [] });
  const result = await machine.ssh.exec("cat; echo err >&2; exit 7", { stdin: "in" });
  assert.equal([result.status, result.stdout.toString(), result.stderr], [7, "in", "err\n"]);
  assert.is((await machine.ssh.exec("kill -KILL $$")).killedBy, "KILL");
});

test("files that are not in the lock are refused, and the failure names the stage", async () => {
  await using toy = await openToyRelease("stage");
  const failure = await failureOf(runToyStages(toy.context, ["toy_forbidden"]));
  assert.is(failure.code, "REFUSED");
  assert.match(failure.message, "stage toy_forbidden requested");
  assert.match(failure.message, "cowsay_3.03_all.deb");
});

test("the error of a failed stage has its last lines, its log and the command to inspect it, and its state is kept", async () => {
  await using toy = await openToyRelease("stage");
  const { buildContext, context } = toy;
  const failure = await failureOf(runToyStages(context, ["toy_fail"]));
  assert.is(failure.code, "STAGE_FAILED");
  assert.match(failure.message, "stage toy_fail ended with status 9");
  assert.match(failure.message, "| cannot find the thing");
  assert.not.match(failure.message, "| line 20\n");
  assert.match(failure.hint ?? "", `livelab shell -r ${TOY_STAMP}`);
  const log = /all of it: (.*)/.exec(failure.message)?.[1] ?? "";
  assert.match(await readFile(log, "utf8"), /^line 1\n/);
  assert.is(await readFile(join(failedLayerFolder(buildContext.home, TOY_STAMP), "left-behind"), "utf8"), "kept\n");
  assert.is(await buildContext.machines.find("toy_fail"), undefined);
});

const fullDisk = "a disk that fills up during a stage is reported as such, and existing files stay";
const fullDiskLack = needsRoot("to mount the small file system that is filled") ?? sandboxLack;
testUnless(suiteOfStages, fullDisk, fullDiskLack, tellsFullDisk);

async function tellsFullDisk(): Promise<void> {
  await using dir = await TempDir.create("stage");
  await mkdir(join(dir.path, "home"));
  await readySharedHome("sandbox");
  // A file system of 24 MiB that only this child sees, so that nothing is left when it ends.
  const { stdout } = await runProgram("unshare", [
    ...["--mount", "--propagation", "private", "sh", "-euc"],
    'mount -t tmpfs -o size=24m tmpfs "$1/home"; ln -s "$2/store" "$1/home/store"; ln -s "$2/bases" "$1/home/bases"; exec "$3" "$4" "$1/home" sandbox',
    ...["sh", dir.path, sharedHome(), process.execPath, join(findProjectRoot(), "dist/fixtures/full-disk-stage.js")],
  ]);
  const failure = JSON.parse(stdout);
  assert.is(failure.code, "STAGE_DISK_FULL");
  assert.match(failure.message, join(dir.path, "home"));
  assert.match(failure.hint ?? "", `livelab build -r ${TOY_STAMP}`);
  assert.equal(failure.kept, ["toy_write"]);
}

suiteOfStages.run();
