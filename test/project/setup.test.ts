import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { namespaceRefusal, startProgram } from "../../fixtures/other-process.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const root = findProjectRoot();
/** The modules under test. Set-up runs before anything is compiled, so it is plain JavaScript outside dist/. */
const load = (file: string) => import(pathToFileURL(join(root, file)).href);
const { nodeVersionProblem }: { nodeVersionProblem(version: string): string | undefined } = await load("setup.mjs");

interface Need {
  readonly name: string;
}
interface SetupError extends Error {
  readonly exitCode: number;
  readonly hint: string;
}
interface Probe {
  findCommand(name: string): string | undefined;
  fileExists(path: string): boolean;
}
const system: {
  distributionFamily(osRelease: string): string | undefined;
  hostProbe(path: string): Probe;
  missingNeeds(probe: Probe, use: { isRoot: boolean; forTests: boolean }): Need[];
  planFor(
    needs: readonly Need[],
    host: { family: string | undefined; isRoot: boolean },
  ): { kind: "install"; argv: string[] } | { kind: "tell"; hint: string };
} = await load("setup/system-packages.mjs");
const npm: {
  installNpmPackages(root: string): Promise<void>;
  npmPackagesMatch(root: string): boolean;
  npmFailure(output: string): SetupError;
} = await load("setup/npm-packages.mjs");
const compiling: {
  compile(root: string): Promise<void>;
  isCompiled(root: string): boolean;
  sourcesDigest(root: string): string;
} = await load("setup/compile.mjs");
type Run = (argv: readonly string[]) => Promise<{ code: number; output: string }>;
const apt: { installWithApt(argv: readonly string[], run: Run): Promise<void> } = await load(
  "setup/install-system-packages.mjs",
);

const test = suite("set-up");

test("set-up rejects a Node older than 20.19 with its version, and accepts later ones", () => {
  assert.match(nodeVersionProblem("18.19.0") ?? "", "needs Node 20.19 or later; this is 18.19.0");
  assert.ok(nodeVersionProblem("20.18.3"));
  assert.ok(nodeVersionProblem("12.22.9"));
  for (const version of ["20.19.0", "20.20.2", "22.0.0", "24.1.0"]) assert.is(nodeVersionProblem(version), undefined);
});

test("set-up recognises a distribution and its derivatives by os-release", () => {
  const families: [osRelease: string, family: string | undefined][] = [
    ['PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n', "debian"],
    ["NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n", "debian"],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"\n', "debian"],
    ["NAME='Fedora Linux'\nID=fedora\nVERSION_ID=42\n", "fedora"],
    ["ID=arch\n", "arch"],
    ['ID=manjaro\nID_LIKE="arch"\n', "arch"],
    ['ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "suse"],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse"],
    ["ID=alpine\nVERSION_ID=3.22.1\n", "alpine"],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', undefined],
    ["ID=nixos\n", undefined],
    ["VERSION_ID=debian\n", undefined],
    ["", undefined],
  ];
  for (const [osRelease, family] of families) assert.is(system.distributionFamily(osRelease), family, osRelease);
});

/** A host that has only the given parts. */
const hostWith = (...present: string[]): Probe => ({
  findCommand: (name) => (present.includes(name) ? `/usr/bin/${name}` : undefined),
  fileExists: (path) => present.includes(path),
});
const complete = ["qemu-system-x86_64", "/usr/lib/ipxe/qemu/pxe-virtio.rom", "unshare", "setpriv", "tar", "xz"];
const user = { isRoot: false, forTests: false };

test("set-up misses nothing on a complete host, and never KVM", () => {
  assert.equal(system.missingNeeds(hostWith(...complete), { isRoot: true, forTests: false }), []);
});

test("set-up needs newuidmap only without root, and UEFI, shellcheck, jq and busybox only for tests", () => {
  const names = (use: { isRoot: boolean; forTests: boolean }) =>
    system.missingNeeds(hostWith(...complete), use).map((need) => need.name);
  assert.equal(names({ isRoot: false, forTests: false }), ["newuidmap and newgidmap"]);
  assert.equal(names({ isRoot: true, forTests: true }), ["UEFI for QEMU (OVMF)", "git", "shellcheck", "jq", "busybox"]);
});

test("set-up finds the ROM in the folders of other distributions", () => {
  const host = hostWith(...complete.filter((it) => !it.endsWith(".rom")), "/usr/share/qemu/pxe-virtio.rom");
  assert.equal(system.missingNeeds(host, { isRoot: true, forTests: false }), []);
});

test("set-up installs with apt as root on a Debian-like host, and only there", () => {
  const needs = system.missingNeeds(hostWith("unshare", "setpriv", "tar", "xz"), { isRoot: true, forTests: false });
  const plan = system.planFor(needs, { family: "debian", isRoot: true });
  assert.equal(plan, {
    kind: "install",
    argv: ["apt-get", "install", "-y", "--no-install-recommends", "qemu-system-x86", "ipxe-qemu"],
  });
  for (const family of ["fedora", "arch", "suse", "alpine", undefined]) {
    assert.is(system.planFor(needs, { family, isRoot: true }).kind, "tell");
  }
});

test("set-up prints the command that installs what another host lacks, with sudo for users", () => {
  const needs = system.missingNeeds(hostWith("tar", "xz"), user);
  const hint = (family: string | undefined, isRoot = false) => {
    const plan = system.planFor(needs, { family, isRoot });
    return plan.kind === "tell" ? plan.hint : "";
  };
  const expected: [family: string, command: string][] = [
    [
      "debian",
      "sudo apt-get install -y --no-install-recommends qemu-system-x86 ipxe-qemu util-linux uidmap", // util-linux once
    ],
    ["fedora", "sudo dnf install -y qemu-system-x86-core ipxe-roms-qemu util-linux shadow-utils"],
    ["arch", "sudo pacman -S --needed --noconfirm qemu-system-x86 qemu-system-x86-firmware util-linux shadow"],
    ["suse", "sudo zypper --non-interactive install qemu-x86 qemu-ipxe util-linux shadow"],
    ["alpine", "sudo apk add qemu-system-x86_64 util-linux-misc setpriv shadow-uidmap"],
  ];
  for (const [family, command] of expected) assert.is(hint(family), command);
  assert.is(hint("fedora", true), expected[1]?.[1].replace("sudo ", ""));
  assert.match(hint(undefined), "qemu-system-x86_64, iPXE boot ROMs for QEMU, unshare of util-linux");
});

test("set-up finds programs in PATH, and does not accept a busybox applet for a program", async () => {
  await using dir = await TempDir.create("probe");
  await writeFile(join(dir.path, "busybox"), "#!/bin/sh\n");
  await chmod(join(dir.path, "busybox"), 0o755);
  await writeFile(join(dir.path, "livelab-plain"), "#!/bin/sh\n");
  await symlink("busybox", join(dir.path, "livelab-applet"));
  await symlink("livelab-real", join(dir.path, "livelab-linked"));
  await writeFile(join(dir.path, "livelab-real"), "#!/bin/sh\n");
  await chmod(join(dir.path, "livelab-real"), 0o755);
  const probe = system.hostProbe(`/nonexistent:${dir.path}`);
  assert.is(probe.findCommand("busybox"), join(dir.path, "busybox"));
  assert.is(probe.findCommand("livelab-linked"), join(dir.path, "livelab-linked"));
  assert.is(probe.findCommand("livelab-applet"), undefined);
  assert.is(probe.findCommand("livelab-plain"), undefined, "it may not be run");
});

/** Returns the error of a rejected promise. */
const failureOf = (promise: Promise<void>): Promise<SetupError> =>
  promise.then(
    () => assert.unreachable("it did not fail") as never,
    (error: SetupError) => error,
  );

/** A stand-in for apt with the given answers, in order. */
function aptThatAnswers(...codes: number[]) {
  const ran: string[] = [];
  const run: Run = async (argv) => {
    ran.push(argv.slice(0, 2).join(" "));
    return { code: codes[ran.length - 1] ?? 99, output: `E: answer ${ran.length}` };
  };
  return { ran, run };
}
const aptCommand = ["apt-get", "install", "-y", "jq"];

test("set-up fetches apt's package lists only if an install fails without them", async () => {
  const atOnce = aptThatAnswers(0);
  await apt.installWithApt(aptCommand, atOnce.run);
  assert.equal(atOnce.ran, ["apt-get install"]);

  const afterUpdate = aptThatAnswers(100, 0, 0);
  await apt.installWithApt(aptCommand, afterUpdate.run);
  assert.equal(afterUpdate.ran, ["apt-get install", "apt-get update", "apt-get install"]);
});

test("set-up quotes apt's error, and distinguishes a network failure from a package failure", async () => {
  const failure = (...codes: number[]) => failureOf(apt.installWithApt(aptCommand, aptThatAnswers(...codes).run));
  const unreachable = await failure(100, 100, 100);
  assert.match(unreachable.message, "apt-get update failed");
  assert.match(unreachable.message, "E: answer 2");
  assert.is(unreachable.exitCode, 3);
  const refused = await failure(100, 0, 100);
  assert.match(refused.message, "`apt-get install -y jq` failed");
  assert.match(refused.message, "E: answer 3");
});

test("set-up distinguishes the ways in which npm ci fails", () => {
  const cases: [output: string, exitCode: number, says: string][] = [
    ["npm error code ECONNREFUSED\nnpm error request to http://registry.example/uvu failed", 4, "from its registry"],
    ["npm error code EAI_AGAIN\nnpm error errno EAI_AGAIN", 4, "from its registry"],
    ["npm error code EINTEGRITY\nnpm error sha512-… integrity checksum failed", 4, "digest"],
    ["npm error code EUSAGE\nnpm error `npm ci` can only install …", 4, "cannot use package-lock.json"],
    ["npm error code ENOSPC\nnpm error nospc", 3, "cannot write"],
    ["npm error code ENOTDIR\nnpm error path /dev/null/.npm/_cacache/tmp", 3, "cache folder /dev/null/.npm:"],
    ["npm error code ERR_INVALID_URL\nnpm error Invalid URL", 4, "registry or proxy is not a URL"],
    ["npm error code ENOTCACHED\nnpm error request to https://registry.example/uvu failed", 4, "offline"],
    ["npm: spawn npm ENOENT", 3, "npm is not in PATH"],
    ["npm error something new", 4, "npm ci failed"],
  ];
  for (const [output, exitCode, says] of cases) {
    const error = npm.npmFailure(output);
    assert.is(error.exitCode, exitCode, output);
    assert.match(error.message, says);
    assert.ok(error.hint.length > 0);
  }
});

test("set-up detects a node_modules that differs from the lock", async () => {
  await using dir = await TempDir.create("npm");
  const write = (file: string, packages: object) =>
    writeFile(join(dir.path, file), JSON.stringify({ lockfileVersion: 3, packages }));
  const uvu = { version: "0.5.6", integrity: "sha512-AAAA" };
  const otherPlatform = { version: "1.0.0", integrity: "sha512-BBBB", optional: true };
  const uvuManifest = join(dir.path, "node_modules/uvu/package.json");
  await mkdir(join(dir.path, "node_modules/uvu"), { recursive: true });
  await writeFile(uvuManifest, "{}");
  await write("package-lock.json", { "": {}, "node_modules/uvu": uvu, "node_modules/biome-darwin": otherPlatform });
  assert.is(npm.npmPackagesMatch(dir.path), false, "npm left no record");

  await write("node_modules/.package-lock.json", { "node_modules/uvu": uvu });
  assert.is(npm.npmPackagesMatch(dir.path), true);

  await write("node_modules/.package-lock.json", { "node_modules/uvu": { ...uvu, integrity: "sha512-CCCC" } });
  assert.is(npm.npmPackagesMatch(dir.path), false, "another digest");
  await write("node_modules/.package-lock.json", { "node_modules/uvu": uvu, "node_modules/left-pad": uvu });
  assert.is(npm.npmPackagesMatch(dir.path), false, "one too many");
  await write("node_modules/.package-lock.json", {});
  assert.is(npm.npmPackagesMatch(dir.path), false, "one too few");

  await write("node_modules/.package-lock.json", { "node_modules/uvu": uvu });
  await rm(uvuManifest);
  assert.is(npm.npmPackagesMatch(dir.path), false, "its folder is empty");
});

test("set-up detects an incomplete node_modules: a missing link to a program, or a missing binary of this platform", async () => {
  await using dir = await TempDir.create("npm");
  const write = (file: string, packages: object) =>
    writeFile(join(dir.path, file), JSON.stringify({ lockfileVersion: 3, packages }));
  const place = async (name: string) => {
    await mkdir(join(dir.path, "node_modules", name), { recursive: true });
    await writeFile(join(dir.path, "node_modules", name, "package.json"), "{}");
  };
  const compiler = { version: "1.0.0", integrity: "sha512-AAAA", bin: { tsc: "bin/tsc" } };
  const binary = { version: "1.0.0", integrity: "sha512-BBBB", optional: true, os: [process.platform] };
  const native = { ...binary, cpu: [process.arch] };
  const locked = { "node_modules/compiler": compiler, "node_modules/other": { ...binary, os: ["haiku"] } };
  await place("compiler");
  await write("package-lock.json", locked);
  await write("node_modules/.package-lock.json", { "node_modules/compiler": compiler });
  assert.is(npm.npmPackagesMatch(dir.path), false, "no link to tsc");
  await mkdir(join(dir.path, "node_modules/.bin"));
  await writeFile(join(dir.path, "node_modules/.bin/tsc"), "");
  assert.is(npm.npmPackagesMatch(dir.path), true);
  await write("package-lock.json", { ...locked, "node_modules/native": native });
  assert.is(npm.npmPackagesMatch(dir.path), false, "its binary for this platform is not there");
  await place("native");
  await write("node_modules/.package-lock.json", { "node_modules/compiler": compiler, "node_modules/native": native });
  assert.is(npm.npmPackagesMatch(dir.path), true);
});

test("set-up installs all packages of the lock, whatever environment and ~/.npmrc say, and runs none of their scripts", async () => {
  await using dir = await TempDir.create("npm");
  const inDir = (...parts: string[]) => join(dir.path, ...parts);
  const files: Record<string, string> = {
    "tool/package.json":
      '{ "name": "tool", "version": "1.0.0", "bin": "tool.js", "scripts": { "install": "touch ran" } }',
    "tool/tool.js": "#!/usr/bin/env node\n",
    "more/package.json": '{ "name": "more", "version": "1.0.0" }',
    "home/.npmrc": "omit[]=dev\nomit[]=optional\nignore-scripts=false\nbin-links=false\n",
    "project/package.json": JSON.stringify({
      ...{ name: "project", version: "1.0.0" },
      devDependencies: { tool: "file:../tool-1.0.0.tgz" },
      optionalDependencies: { more: "file:../more-1.0.0.tgz" },
    }),
  };
  for (const folder of ["tool", "more", "home", "project"]) await mkdir(inDir(folder));
  for (const [file, text] of Object.entries(files)) await writeFile(inDir(file), text);
  const project = inDir("project");
  const quiet = { ...process.env, HOME: inDir("home"), npm_config_cache: inDir("cache"), npm_config_offline: "true" };
  const runNpm = (...words: string[]) => runProgram("npm", words, { cwd: dir.path, env: quiet });
  await runNpm("pack", "./tool", "./more");
  await runNpm("install", "--package-lock-only", "--include=dev", "--prefix", project);

  const hostile = {
    NODE_ENV: "production",
    npm_config_omit: "dev",
    npm_config_production: "true",
    npm_config_only: "prod",
    npm_config_include: "prod",
    npm_config_ignore_scripts: "false",
    npm_config_global: "true",
    npm_config_location: "global",
    npm_config_prefix: inDir("elsewhere"),
    npm_config_dry_run: "true",
    npm_config_package_lock_only: "true",
    npm_config_workspace: "none",
    npm_config_loglevel: "silent",
  };
  const before = process.env;
  process.env = { ...quiet, ...hostile };
  try {
    await npm.installNpmPackages(project);
  } finally {
    process.env = before;
  }
  assert.is(npm.npmPackagesMatch(project), true);
  assert.equal((await readdir(join(project, "node_modules"))).sort(), [".bin", ".package-lock.json", "more", "tool"]);
  assert.equal(await readdir(join(project, "node_modules/.bin")), ["tool"]);
  assert.equal((await readdir(join(project, "node_modules/tool"))).sort(), ["package.json", "tool.js"]);
});

/** A tiny project that livelab's compiler compiles. */
async function tinyProject(dir: string): Promise<void> {
  await symlink(join(root, "node_modules"), join(dir, "node_modules"));
  await writeFile(join(dir, "package.json"), '{ "name": "tiny", "type": "module" }');
  await writeFile(
    join(dir, "tsconfig.json"),
    '{ "compilerOptions": { "rootDir": ".", "types": [] }, "include": ["vm"] }',
  );
  await mkdir(join(dir, "vm"));
  await writeFile(join(dir, "vm/one.ts"), "export const one: number = 1;\n");
  await writeFile(join(dir, "vm/two.ts"), "export const two: number = 2;\n");
}

test("set-up compiles when a source changed, appeared or disappeared, and leaves no old output", async () => {
  await using dir = await TempDir.create("compile");
  await tinyProject(dir.path);
  assert.is(compiling.isCompiled(dir.path), false);
  await compiling.compile(dir.path);
  assert.is(compiling.isCompiled(dir.path), true);

  await rm(join(dir.path, "vm/two.ts"));
  assert.is(compiling.isCompiled(dir.path), false, "a source went");
  await compiling.compile(dir.path);
  assert.equal(await readdir(join(dir.path, "dist/vm")), ["one.js"]);
  assert.equal(
    (await readdir(dir.path)).filter((name) => name.startsWith("dist")),
    ["dist"],
  );

  await writeFile(join(dir.path, "vm/one.ts"), "export const one: number = 11;\n");
  assert.is(compiling.isCompiled(dir.path), false, "a source changed");
});

test("set-up reports a missing compiler as such, not as sources that do not compile", async () => {
  await using dir = await TempDir.create("compile");
  await tinyProject(dir.path);
  await rm(join(dir.path, "node_modules"));
  const error = await failureOf(compiling.compile(dir.path));
  assert.is(error.exitCode, 3);
  assert.match(error.message, "the compiler did not run");
  assert.match(error.hint, "rm -r node_modules");
});

const foreignClone = "set-up names the owner if the clone, or a part of it, belongs to another user";
testUnless(test, foreignClone, needsRoot("to make files of several users"), refusesForeignClone);

const homeless = "set-up asks for HOME if npm needs it and the user has no home folder";
testUnless(test, homeless, needsRoot("to run programs as a user without a name"), asksForHome);

async function asksForHome(): Promise<void> {
  const program = `
    import { installNpmPackages } from ${JSON.stringify(pathToFileURL(join(root, "setup/npm-packages.mjs")).href)};
    await installNpmPackages("/nonexistent").catch((error) => console.log(error.exitCode, error.message, error.hint));`;
  const { stdout } = await runProgram("env", [
    ...["-u", "HOME", "setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"],
    ...[process.execPath, "--input-type=module", "-e", program],
  ]);
  assert.match(stdout, /^3 npm keeps its cache in a home folder, and uid 54321 has none Set HOME /);
}

async function refusesForeignClone(): Promise<void> {
  await using dir = await TempDir.create("clone");
  await chmod(dir.path, 0o755);
  const clone = join(dir.path, "clone");
  await mkdir(join(clone, "vm"), { recursive: true });
  for (const part of ["setup.mjs", "setup"]) await cp(join(root, part), join(clone, part), { recursive: true });
  await symlink(join(root, "node_modules"), join(clone, "node_modules"));
  for (const file of ["package.json", "package-lock.json", "tsconfig.json"]) {
    await cp(join(root, file), join(clone, file));
  }
  await writeFile(join(clone, "vm/one.ts"), "export const one: number = 1;\n");
  const setUp = () =>
    runProgram("setpriv", [
      ...["--reuid", "54321", "--regid", "54321", "--clear-groups"],
      ...[process.execPath, join(clone, "setup.mjs"), "--tests"],
    ]).then(
      () => ({ status: 0, stderr: "" }),
      (error: { status: number; stderr: string }) => error,
    );
  const refused = async (): Promise<void> => {
    const { status, stderr } = await setUp();
    assert.is(status, 3, stderr);
    assert.match(stderr, "belongs to uid 0, and set-up runs as uid 54321");
    assert.match(stderr, `sudo chown -R 54321 ${clone}`);
  };
  await refused();
  await chown(clone, 54321, 54321);
  await mkdir(join(clone, "dist-old/vm"), { recursive: true }); // what root's set-up left behind
  await writeFile(join(clone, "dist-old/vm/one.js"), "");
  await refused();
  await rm(join(clone, "dist-old"), { recursive: true });
  await mkdir(join(clone, "dist"));
  await writeFile(join(clone, "dist/.sources-sha256"), "", { mode: 0o600 });
  await refused();
}

test("set-up keeps the last dist/ if the sources do not compile, and names the place of the error", async () => {
  await using dir = await TempDir.create("compile");
  await tinyProject(dir.path);
  await compiling.compile(dir.path);
  await writeFile(join(dir.path, "vm/one.ts"), 'export const one: number = "1";\n');
  const error = await failureOf(compiling.compile(dir.path));
  assert.is(error.exitCode, 70);
  assert.match(error.message, /vm\/one\.ts.*TS2322/s);
  assert.match(await readFile(join(dir.path, "dist/vm/one.js"), "utf8"), "one = 1");
  assert.equal(
    (await readdir(dir.path)).filter((name) => name.startsWith("dist")),
    ["dist"],
  );
});

test("only one set-up of a clone works at a time, also after one was killed at work", async () => {
  await using dir = await TempDir.create("one-at-a-time");
  const log = join(dir.path, "log");
  const program = `
    import { appendFileSync } from "node:fs";
    import { oneAtATime } from ${JSON.stringify(pathToFileURL(join(root, "setup/one-at-a-time.mjs")).href)};
    const [log, name, ms] = process.argv.slice(1);
    const say = (text) => appendFileSync(log, text + " " + name + "\\n");
    await oneAtATime(log, () => say("waits"), async () => {
      say("begins");
      await new Promise((resolve) => setTimeout(resolve, Number(ms)));
      say("ends");
    });
  `;
  const start = (name: string, ms: number) =>
    spawn(process.execPath, ["--input-type=module", "-e", program, log, name, String(ms)], { stdio: "inherit" });
  const logged = async (text: string): Promise<void> => {
    const deadline = performance.now() + 10_000;
    while (!(await readFile(log, "utf8").catch(() => "")).includes(text)) {
      if (performance.now() > deadline) throw new Error(`no "${text}" in 10 s; log: ${await readFile(log, "utf8")}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  const killed = start("a", 30_000);
  await logged("begins a");
  const second = start("b", 50);
  await logged("waits b");
  const third = start("c", 50);
  await logged("waits c");
  const bothDone = Promise.all([once(second, "exit"), once(third, "exit")]);
  killed.kill("SIGKILL");
  const [[secondCode], [thirdCode]] = await bothDone;
  assert.equal([secondCode, thirdCode], [0, 0]);

  const after = (await readFile(log, "utf8"))
    .trim()
    .split("\n")
    .filter((line) => !line.startsWith("waits"));
  assert.is(after[0], "begins a");
  const [b1, e1, b2, e2] = after.slice(1);
  assert.is(e1, b1?.replace("begins", "ends"));
  assert.is(e2, b2?.replace("begins", "ends"));
  assert.is(after.length, 5, after.join(", "));
});

test("set-ups of one clone in different PID and network namespaces work one at a time and leave the clone unchanged", async () => {
  await using dir = await TempDir.create("one-at-a-time");
  const subject = join(dir.path, "dist");
  const program = `
      import { oneAtATime } from ${JSON.stringify(pathToFileURL(join(root, "setup/one-at-a-time.mjs")).href)};
      await oneAtATime(${JSON.stringify(subject)}, () => {}, async () => {
        console.log("begins");
        await new Promise(() => setInterval(() => {}, 1000));
      });`;
  await using other = await startProgram(program, (await namespaceRefusal()) === undefined);
  const { oneAtATime } = await import(pathToFileURL(join(root, "setup/one-at-a-time.mjs")).href);
  const events: string[] = [];
  const mine: Promise<void> = oneAtATime(
    subject,
    () => events.push("waits"),
    async () => {
      events.push("begins");
    },
  );
  while (events.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  events.push("kills the other");
  await other.kill();
  await mine;
  assert.equal(events, ["waits", "kills the other", "begins"]);
  assert.equal(await readdir(dir.path), []);
});

test("set-up compiles again when the types of its modules changed", async () => {
  await using dir = await TempDir.create("compile");
  await tinyProject(dir.path);
  await mkdir(join(dir.path, "setup"));
  await writeFile(join(dir.path, "setup/claim.d.mts"), "export const claim: number;\n");
  const before = compiling.sourcesDigest(dir.path);
  await writeFile(join(dir.path, "setup/claim.d.mts"), "export const claim: string;\n");
  assert.is.not(compiling.sourcesDigest(dir.path), before);
});

test.run();
