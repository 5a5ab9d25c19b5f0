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
const {
  nodeVersionProblem,
  platformProblem,
}: {
  nodeVersionProblem(version: string): string | undefined;
  platformProblem(platform: string, arch: string): string | undefined;
} = await load("setup.mjs");

interface SetupError extends Error {
  readonly exitCode: number;
  readonly hint: string;
}
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
const test = suite("set-up");

test("set-up rejects a Node older than 20.19 with its version, and accepts later ones", () => {
  assert.match(nodeVersionProblem("18.19.0") ?? "", "needs Node 20.19 or later; this is 18.19.0");
  assert.ok(nodeVersionProblem("20.18.3"));
  assert.ok(nodeVersionProblem("12.22.9"));
  for (const version of ["20.19.0", "20.20.2", "22.0.0", "24.1.0"]) assert.is(nodeVersionProblem(version), undefined);
});

test("set-up rejects hosts that are not Linux on x86-64, with what they are", () => {
  assert.is(platformProblem("linux", "x64"), undefined);
  assert.match(platformProblem("linux", "arm64") ?? "", "this Node is for linux on arm64");
  assert.match(platformProblem("darwin", "x64") ?? "", "this Node is for darwin on x64");
});

/** Returns the error of a rejected promise. */
const failureOf = (promise: Promise<void>): Promise<SetupError> =>
  promise.then(
    () => assert.unreachable("it did not fail") as never,
    (error: SetupError) => error,
  );

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
      ...[process.execPath, join(clone, "setup.mjs")],
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
