import { once } from "node:events";
import { mkdir, rmdir, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { needsRoot, testUnless } from "../test/runner/skip-test.js";
import type { HostError } from "./livelab-error.js";
import { findProjectRoot } from "./project-root.js";
import { runProgram } from "./run-program.js";
import { TempDir } from "./temp-dir.js";
import { checkTempFolder } from "./temp-dir-check.js";

const test = suite("temporary folders");

/** Runs `work` with environment variables set, or unset. */
async function withEnv<T>(env: Readonly<Record<string, string | undefined>>, work: () => Promise<T>): Promise<T> {
  const before = Object.fromEntries(Object.keys(env).map((name) => [name, process.env[name]]));
  const set = (values: Readonly<Record<string, string | undefined>>): void => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
  set(env);
  try {
    return await work();
  } finally {
    set(before);
  }
}

/** Makes a folder in another so that the whole path has this many bytes. */
async function folderOfLength(parent: string, bytes: number): Promise<string> {
  const folder = join(parent, "t".repeat(bytes - Buffer.byteLength(parent) - 1));
  await mkdir(folder);
  return folder;
}

test("a temporary folder is made in TMPDIR, private to its user, and removed when disposed of", async () => {
  let path: string;
  {
    await using dir = await TempDir.create("outer");
    await using inner = await withEnv({ TMPDIR: dir.path }, () => TempDir.create("inner"));
    path = inner.path;
    assert.is(dirname(path), dir.path);
    assert.is((await stat(path)).mode & 0o777, 0o700);
  }
  assert.is(await stat(path).catch(({ code }) => code), "ENOENT");
});

test("a TMPDIR that is missing, a file, a circle of links or too long is rejected with its path and a hint", async () => {
  await using dir = await TempDir.create("outer");
  await writeFile(join(dir.path, "file"), "");
  await symlink("circle", join(dir.path, "circle"));
  for (const [name, says] of [
    ["missing", "the path does not exist"],
    ["file", "a part of the path is not a folder"],
    ["circle", "its links lead in a circle"],
    ["x".repeat(300), "the path is too long"],
  ] as const) {
    const TMPDIR = join(dir.path, name);
    const failure = (error: HostError): HostError => error;
    const error = (await withEnv({ TMPDIR }, () => TempDir.create("x").catch(failure))) as HostError;
    assert.is(error.kind, "host");
    assert.match(error.message, `${TMPDIR} ($TMPDIR): ${says}`);
    assert.match(error.hint ?? "", "set TMPDIR");
    const check = await withEnv({ TMPDIR }, checkTempFolder);
    await withEnv({ TMPDIR }, () => TempDir.createForSockets("x", 90)).then(
      () => assert.unreachable(`sockets: ${name}`),
      (error: HostError) => assert.match(error.message, says),
    );
    assert.is(check.state, "missing");
    assert.match(check.detail, says);
  }
});

test("a relative TMPDIR in a working folder that is gone is reported with the cause", async () => {
  await using dir = await TempDir.create("outer");
  const folder = join(dir.path, "gone");
  await mkdir(folder);
  const before = process.cwd();
  process.chdir(folder);
  await rmdir(folder);
  try {
    const { state, detail, remedy } = await withEnv({ TMPDIR: "relative" }, checkTempFolder);
    assert.equal([state, detail], ["missing", "the working folder no longer exists"]);
    assert.match(remedy ?? "", "cd");
  } finally {
    process.chdir(before);
  }
});

test("createForSockets() works with a TMPDIR of any length: it uses XDG_RUNTIME_DIR if the path is too long", async () => {
  await using dir = await TempDir.create("outer");
  await using runtime = await TempDir.create("runtime");
  // 107 bytes fit, 24 of them for "/livelab-wire-XXXXXX" and more for the socket's name
  for (const bytes of [60, 69, 70, 75, 80, 85, 90, 100, 107, 108, 120, 131]) {
    const TMPDIR = await folderOfLength(dir.path, bytes);
    await using folder = await withEnv({ TMPDIR, XDG_RUNTIME_DIR: runtime.path }, () =>
      TempDir.createForSockets("wire"),
    );
    const server = createServer().listen(join(folder.path, "a-name-16-bytes."));
    await once(server, "listening");
    server.close();
    await once(server, "close");
    assert.is((await stat(folder.path)).mode & 0o777, 0o700);
    if (bytes <= 69) assert.is(dirname(folder.path), TMPDIR);
    if (bytes >= 75) assert.is(dirname(folder.path), runtime.path, `${bytes}`);
    const { state, detail } = await withEnv({ TMPDIR, XDG_RUNTIME_DIR: runtime.path }, checkTempFolder);
    assert.is(state, "ok");
    if (bytes >= 75) assert.match(detail, `${TMPDIR}; sockets go to ${runtime.path}`);
  }
});

test("createForSockets() uses /tmp if XDG_RUNTIME_DIR is missing, relative or too long, too", async () => {
  await using dir = await TempDir.create("outer");
  const TMPDIR = await folderOfLength(dir.path, 110);
  for (const XDG_RUNTIME_DIR of [undefined, "", "run", join(dir.path, "missing"), `/run/${"r".repeat(100)}`]) {
    await using folder = await withEnv({ TMPDIR, XDG_RUNTIME_DIR }, () => TempDir.createForSockets("wire"));
    assert.is(dirname(folder.path), "/tmp");
  }
});

test("createForSockets() counts bytes, not characters", async () => {
  await using dir = await TempDir.create("outer");
  await using runtime = await TempDir.create("runtime");
  const TMPDIR = join(dir.path, "ä".repeat(25));
  await mkdir(TMPDIR);
  await using folder = await withEnv({ TMPDIR, XDG_RUNTIME_DIR: runtime.path }, () => TempDir.createForSockets("w"));
  assert.is(dirname(folder.path), runtime.path);
});

const full = "the error for a full TMPDIR says that no space is left";
testUnless(test, full, needsRoot("to mount a full file system"), async () => {
  await using dir = await TempDir.create("full");
  const stdout = await runOnTmpfs(
    { folder: dir.path, option: "nr_inodes=1" },
    `import { TempDir } from ${compiled("temp-dir.js")};
     await TempDir.create("x").catch(({ kind, message, hint }) => console.log(kind, message, hint));`,
  );
  assert.match(
    stdout,
    `host cannot make a temporary folder in ${dir.path} ($TMPDIR): no space left on device free some`,
  );
});

const small = "the check of a TMPDIR that has no room for a file is missing, and names the folder and a remedy";
testUnless(test, small, needsRoot("to mount a small file system"), async () => {
  await using dir = await TempDir.create("small");
  const stdout = await runOnTmpfs(
    { folder: dir.path, option: "size=4k" },
    `import { checkTempFolder } from ${compiled("temp-dir-check.js")};
     console.log(JSON.stringify(await checkTempFolder()));`,
  );
  const { state, detail, remedy } = JSON.parse(stdout);
  assert.is(state, "missing");
  assert.is(detail, `cannot write a file of 1.0 MiB in ${dir.path} ($TMPDIR): no space left on device`);
  assert.match(remedy, "set TMPDIR to a folder with more space");
});

const compiled = (name: string): string => JSON.stringify(join(findProjectRoot(), "dist/base", name));

/** Runs a module whose TMPDIR is a small tmpfs. @param option of tmpfs(5) that makes it small @returns its stdout */
async function runOnTmpfs(
  { folder, option }: { readonly folder: string; readonly option: string },
  module: string,
): Promise<string> {
  const { stdout } = await runProgram("unshare", [
    ...["--mount", "--propagation", "private", "sh", "-euc"],
    'mount -t tmpfs -o "$2" none "$1"; TMPDIR=$1 exec "$3" --input-type=module -e "$4"',
    ...["sh", folder, option, process.execPath, module],
  ]);
  return stdout;
}

test.run();
