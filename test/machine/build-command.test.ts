/** `livelab build` as a user runs it: with its own home that shares store and bases, and only the first stages. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import type { Release } from "../../builder/release/release.js";
import { stageNames } from "../../builder/stages/stages.js";
import { parseCloudBase } from "../../builder/store/cloud-image.js";
import { sandboxLack } from "../../fixtures/sandbox-lack.js";
import { linkHome, openToyBuildContext } from "../../fixtures/toy-stage.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const test = suite("livelab build");
const cli = join(findProjectRoot(), "dist/cli/main.js");
const STAMP = "20260102T030405Z";
/** A build of several stages. In an emulated VM, it would take minutes. */
const BUILD = ["build", "--machine", "sandbox"];

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(
  home: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { child: ChildProcess; ended: Promise<Ended>; stderr: () => string } {
  const child = spawn(process.execPath, [cli, ...args], {
    env: { ...process.env, LIVELAB_HOME: home, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (texts.stdout += chunk));
  child.stderr.on("data", (chunk) => (texts.stderr += chunk));
  const ended = once(child, "close").then(([status]) => ({ status: status as number | null, ...texts }));
  return { child, ended, stderr: () => texts.stderr };
}

const livelab = (home: string, ...args: string[]): Promise<Ended> => start(home, args).ended;

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const started = performance.now(); performance.now() - started < 60_000; await sleep(20))
    if (await condition()) return;
  throw new Error(`after 60 s still not: ${what}`);
}

test("an unknown stage, profile or release is rejected before anything is written", async () => {
  await using dir = await TempDir.create("build");
  const home = await linkHome(dir.path);
  const cases: [string[], RegExp][] = [
    [["build", "instal_live"], /there is no stage "instal_live"/],
    [["build", "install_live"], /a new build begins with preflight_check/],
    [["build", "-p", "sarge"], /'sarge' is invalid/],
    [["build", "-r", STAMP, "create_tgz"], new RegExp(`there is no release ${STAMP}`)],
    [["build", "-r", "20260102T030405"], /is not a release stamp/],
    [["build", "--machine", "mainframe"], /'mainframe' is invalid/],
    [["shell", "-r", STAMP], new RegExp(`there is no release ${STAMP}`)],
  ];
  for (const [args, message] of cases) {
    const { status, stderr } = await livelab(home, ...args);
    assert.is(status, 2, args.join(" "));
    assert.match(stderr, message);
    assert.not.match(stderr, "    at ");
  }
  assert.equal(await readdir(join(home, "builds")), []);
});

test("an invalid count, and a digest without a file, are rejected with a hint", async () => {
  await using dir = await TempDir.create("build");
  const cases: [string[], RegExp][] = [
    [["boot", "--port", "abc"], /--port "abc" is not a whole number, 1 or more\n.*try: .*leave --port out/],
    [["test", "-j", "0"], /--jobs "0" is not a whole number, 1 or more\n.*try: /],
    [["gc", "--keep", "1.5"], /--keep "1\.5" is not a whole number, 0 or more\n.*try: /],
    [["build", "--base-digest", "sha256:00"], /--base-digest needs a --base file.*\n.*try: .*--base FILE/],
  ];
  for (const [args, message] of cases) {
    const { status, stderr } = await livelab(dir.path, ...args);
    assert.is(status, 2, args.join(" "));
    assert.match(stderr, message);
  }
});

test("an output folder that cannot be written fails before the build, with exit 3", async () => {
  await using dir = await TempDir.create("build");
  const home = await linkHome(dir.path);
  await writeFile(join(dir.path, "file"), "");
  const { status, stderr } = await livelab(home, "build", "-o", join(dir.path, "file/out"));
  assert.is(status, 3);
  assert.match(stderr, "file/out cannot be written");
  assert.match(stderr, "livelab build -o DIR");
  assert.equal(await readdir(join(home, "builds")), []);
});

const TWO_BUILDS =
  "of two builds of one stamp, the second fails with the holder's name and the first succeeds; then equal stages are reused without network";
testUnless(test, TWO_BUILDS, sandboxLack, async () => {
  await using dir = await TempDir.create("build");
  const home = await linkHome(dir.path);
  const words = ["preflight_check", "create_bootstrap"];
  const first = start(home, [...BUILD, "--stamp", STAMP, ...words]);
  await until("the first is in its stages", () => first.stderr().includes("create_bootstrap …"));
  const second = await livelab(home, "build", "-r", STAMP, ...words);
  assert.is(second.status, 3, second.stderr);
  assert.match(second.stderr, `release ${STAMP} is in use by another livelab (pid ${first.child.pid})`);
  const ended = await first.ended;
  assert.is(ended.status, 0, ended.stderr);

  // No mirror would answer, and the build contacts none.
  const third = await start(home, [...BUILD, ...words], {
    LIVELAB_MIRROR: "http://127.0.0.1:9/debian",
    http_proxy: "http://127.0.0.1:9",
  }).ended;
  assert.is(third.status, 0, third.stderr);
  for (const word of words) assert.match(third.stdout, new RegExp(`${word}\\s+reused`));

  const releases = await livelab(home, "releases");
  assert.match(releases.stdout, new RegExp(`${STAMP}\\s+bookworm\\s+sandbox\\s+2 of ${stageNames.length} stages`));
  const shell = await livelab(home, "shell", "-r", STAMP, "--at", "create_bootstrap", "--", "ls");
  assert.is(shell.stdout, "");
  const after = await livelab(home, "shell", "-r", STAMP, "--", "sh", "-c", "touch chroot/mine; ls; exit 4");
  assert.is(after.stdout, "chroot\nimage\nscratch\n");
  assert.is(after.status, 4);
  // As a user does: a shell on a terminal, which script(1) provides.
  const person = spawn("script", ["-qec", `${process.execPath} ${cli} shell -r ${STAMP}`, "/dev/null"], {
    env: { ...process.env, LIVELAB_HOME: home },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let seen = "";
  person.stdout.on("data", (chunk) => (seen += chunk));
  const left = once(person, "close");
  await until("the shell's prompt", () => seen.includes(`${STAMP}:`));
  person.stdin.write("echo $((40 + 2)) things; exit 3\n");
  assert.equal((await left)[0], 3);
  assert.match(seen, "42 things");
  const again = await livelab(home, "shell", "-r", STAMP, "--", "ls", "chroot/mine");
  assert.is.not(again.status, 0, "changes in a shell are thrown away");
});

const LITTLE_ROOM = "a disk with little space is reported before a stage starts, although preflight_check was reused";
testUnless(test, LITTLE_ROOM, needsRoot("to mount the small file system") ?? sandboxLack, tellsLittleRoom);

async function tellsLittleRoom(): Promise<void> {
  await using dir = await TempDir.create("build");
  const home = await linkHome(dir.path);
  assert.is((await livelab(home, ...BUILD, "--stamp", STAMP, "preflight_check")).status, 0);
  // A file system that only this child sees; it starts with the home's contents.
  const child = spawn(
    "unshare",
    [
      ...["--mount", "--propagation", "private", "sh", "-euc"],
      'mount -t tmpfs -o size=2g tmpfs /mnt; cp -a "$1"/. /mnt/; mount --move /mnt "$1"; shift; exec "$@"',
      ...["sh", home, process.execPath, cli, "build", "-r", STAMP],
    ],
    { env: { ...process.env, LIVELAB_HOME: home }, stdio: ["ignore", "ignore", "pipe"] },
  );
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += chunk));
  assert.equal(await once(child, "close"), [3, null], stderr);
  assert.match(stderr, /preflight_check.*reused/);
  assert.match(stderr, /free on the disk that holds .*, 4.0 GiB needed/);
  assert.not.match(stderr, "create_bootstrap: ");
}

const KILLED = "a killed build resumes at the stage that was running, with the same result as an undisturbed build";
testUnless(test, KILLED, sandboxLack, async () => {
  await using dir = await TempDir.create("build");
  const home = await linkHome(dir.path);
  const words = ["preflight_check", "create_bootstrap"];
  const killed = start(home, [...BUILD, "--stamp", STAMP, ...words]);
  await until("it installs packages", () => /create_bootstrap: /.test(killed.stderr()));
  killed.child.kill("SIGKILL");
  await killed.ended;
  const record = JSON.parse(await readFile(join(home, "builds", STAMP, "release.json"), "utf8"));
  assert.equal(
    record.stages.map((stage: { name: string }) => stage.name),
    ["preflight_check"],
  );

  const resumed = await livelab(home, "build", "-r", STAMP, "create_bootstrap");
  assert.is(resumed.status, 0, resumed.stderr);
  assert.equal(await readdir(join(home, "machines")), []);
  // postinstall removes caches and logs.
  const digest = [
    "sh",
    "-c",
    "cd chroot && find . -type f ! -path './var/log/*' ! -path './var/cache/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum",
  ];
  const one = await livelab(home, "shell", "-r", STAMP, "--", ...digest);

  await rm(join(home, "layers"), { recursive: true });
  const other = "20270102T030405Z";
  const cold = await livelab(home, ...BUILD, "--stamp", other, ...words);
  assert.is(cold.status, 0, cold.stderr);
  const two = await livelab(home, "shell", "-r", other, "--", ...digest);
  assert.is(one.status, 0);
  assert.is(one.stdout, two.stdout);

  // An interrupted build leaves only its record; it says so and exits with 130.
  await rm(join(home, "layers"), { recursive: true });
  const interrupted = start(home, ["build", "-r", STAMP, ...words]);
  await until("it installs packages", () => /create_bootstrap: /.test(interrupted.stderr()));
  interrupted.child.kill("SIGINT");
  const { status, stderr } = await interrupted.ended;
  assert.is(status, 130);
  assert.match(stderr, `livelab build -r ${STAMP}`);
  assert.equal(await readdir(join(home, "machines")), []);
  assert.equal((await readdir(join(home, "layers"))).length, 1);
});

test("gc removes old releases and what only they used, nothing of the user, and nothing while a build runs", async () => {
  await using dir = await TempDir.create("build");
  // Its own store: a copy of the shared one would be large, and gc must not change the shared one.
  const home = dir.path;
  await mkdir(join(home, "store/tmp"), { recursive: true });
  await writeFile(join(home, "store/tmp/left.part"), "x");
  const [used, unused, oldBase] = ["a".repeat(64), "b".repeat(64), "c".repeat(64)] as const;
  for (const folder of [`layers/${used}/fs`, `layers/${unused}/fs`, `bases/${oldBase}/root`, "layers/photos"])
    await mkdir(join(home, folder), { recursive: true });
  const release = (stamp: string, key: string, more: Partial<Release> = {}): Promise<void> =>
    mkdir(join(home, "builds", stamp), { recursive: true }).then(() =>
      writeFile(
        join(home, "builds", stamp, "release.json"),
        JSON.stringify({
          version: 1,
          stamp,
          profile: "bookworm",
          ...more,
          stages: [{ name: "preflight_check", key, reused: false, durationMs: 1 }],
        }),
      ),
    );
  await release("20260101T000000Z", unused);
  await release("20260102T000000Z", used);
  // The image in which the VM of this release was made is gone from this host; its root is still needed.
  const base = { image: join(home, "gone.qcow2"), digest: `sha256:${"a".repeat(64)}` };
  const cloudBase = parseCloudBase(base.image, base.digest);
  const { machines } = await openToyBuildContext(home, { machine: "vm", cloudBase });
  await mkdir(join(home, "bases", machines.baseKey));
  await release("20260103T000000Z", "in the pool", { machine: "vm", base });

  const self = await readFile(`/proc/${process.pid}/stat`, "latin1");
  const tag = `${process.pid}-${self.slice(self.lastIndexOf(")") + 2).split(" ")[19]}`;
  await writeFile(join(home, `machines/in-use.${tag}`), "");
  assert.is((await livelab(home, "gc", "--keep", "2")).status, 3);
  assert.equal((await readdir(join(home, "builds"))).length, 3);

  await rm(join(home, `machines/in-use.${tag}`));
  const { status, stdout, stderr } = await livelab(home, "gc", "--keep", "2");
  assert.is(status, 0, stderr);
  assert.match(stdout, "1 releases, 1 layers, 0 snapshots, 1 bases, 0 tools, 1 inputs, 0 artifacts");
  assert.equal((await readdir(join(home, "builds"))).sort(), ["20260102T000000Z", "20260103T000000Z"]);
  assert.equal((await readdir(join(home, "layers"))).sort(), [used, "photos"]);
  assert.equal(await readdir(join(home, "bases")), [machines.baseKey]);
});

test.run();
