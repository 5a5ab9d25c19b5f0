/** Runs livelab, its test runner and its set-up in users' surroundings: other users, homes, outputs and folders. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { openHome } from "../../builder/home/home.js";
import { needsRoot, testUnless } from "../runner/skip-test.js";

const test = suite("surroundings");
const root = findProjectRoot();
const cli = join(root, "dist/cli/main.js");
const runner = join(root, "dist/test/run.js");
/** A user id without an entry in /etc/passwd. */
const NUMBER = 54321;

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Variables added to this environment; undefined removes one. */
type Env = Readonly<Record<string, string | undefined>>;

/** Runs a Node program in bash. @param redirections shell text after its arguments, e.g. "2>/dev/full" */
const run = (args: readonly string[], redirections = "", env: Env = {}): Promise<Ended> =>
  runInBash([process.execPath, ...args], redirections, env);

/** As run(), as another user. */
const runAs = (uid: number, args: readonly string[], env: Env): Promise<Ended> => {
  const setpriv = ["setpriv", "--reuid", `${uid}`, "--regid", `${uid}`, "--clear-groups"];
  // The user may not see the tools of the tests: they are in root's home.
  return runInBash([...setpriv, process.execPath, ...args], "", { LIVELAB_TOOLS: "/usr/bin", ...env });
};

async function runInBash(argv: readonly string[], redirections: string, env: Env): Promise<Ended> {
  const script = `"$@" ${redirections}; exit "\${PIPESTATUS[0]}"`;
  const child = spawn("bash", ["-c", script, "bash", ...argv], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (texts.stdout += chunk));
  child.stderr.on("data", (chunk) => (texts.stderr += chunk));
  const [status] = await once(child, "close");
  return { status, ...texts };
}

function rootTest(title: string, body: () => Promise<void>): void {
  testUnless(test, title, needsRoot("to run programs as several users"), body);
}

const NO_HOME = { HOME: undefined, LIVELAB_HOME: undefined, XDG_CACHE_HOME: undefined };

rootTest(
  "a user without a name and a home gets help and lists, and a plain error from commands that need a home",
  async () => {
    for (const args of [["--help"], ["stages"], ["test", "--list"]]) {
      const { status, stderr } = await runAs(NUMBER, [cli, ...args], NO_HOME);
      assert.equal([status, stderr], [0, ""], args.join(" "));
    }
    const { status, stderr } = await runAs(NUMBER, [cli, "releases"], NO_HOME);
    assert.is(status, 3);
    assert.match(stderr, `livelab: uid ${NUMBER} has no home folder`);
    assert.match(stderr, "livelab: try: set LIVELAB_HOME");
    assert.match((await runAs(NUMBER, [runner, "base/format.test.ts"], NO_HOME)).stdout, /\n2 passed, 0 failed\n$/);
  },
);

rootTest("every command rejects a home that another user filled, with folder, owner, hint and status 3", async () => {
  await using dir = await TempDir.create("surroundings");
  await chmod(dir.path, 0o755);
  const home = join(dir.path, "home");
  await openHome(home);
  const mine = join(dir.path, "mine");
  await mkdir(mine);
  await chown(mine, NUMBER, NUMBER);
  const commands = [
    ["doctor"],
    ["gc"],
    ["releases"],
    ["inputs", "fetch"],
    ["build", "preflight_check", "-o", mine],
    ["boot", "--report", join(mine, "report")],
  ];
  await Promise.all(
    commands.map(async (command) => {
      const { status, stderr } = await runAs(NUMBER, [cli, ...command], { HOME: mine, LIVELAB_HOME: home });
      assert.is(status, 3, `${command.join(" ")}: ${stderr}`);
      assert.match(stderr, `${home} belongs to root (uid 0), and livelab runs as uid ${NUMBER}`);
      assert.match(stderr, `sudo chown -R ${NUMBER} ${home}`);
    }),
  );
});

rootTest(
  "a folder for outputs or reports that belongs to another user is an error that names it, with status 3",
  async () => {
    await using dir = await TempDir.create("surroundings");
    await chmod(dir.path, 0o755);
    const [home, out] = [join(dir.path, "home"), join(dir.path, "out")];
    for (const folder of [home, out]) await mkdir(folder);
    await chown(home, NUMBER, NUMBER);
    const { status, stderr } = await runAs(NUMBER, [cli, "build", "--machine", "sandbox", "-o", out], {
      HOME: home,
      LIVELAB_HOME: home,
    });
    assert.is(status, 3, stderr);
    assert.match(stderr, `the output folder ${out} cannot be written`);
    assert.match(stderr, "livelab build -o DIR");
  },
);

rootTest("a path that the host refuses during the work is an error that names its owner, with status 3", async () => {
  await using dir = await TempDir.create("surroundings");
  const outputs = join(dir.path, "outputs"); // only root may enter it
  await mkdir(outputs);
  await chmod(dir.path, 0o755);
  await chmod(outputs, 0o700);
  const { status, stderr } = await runAs(NUMBER, [cli, "verify", outputs], NO_HOME);
  assert.is(status, 3);
  assert.match(stderr, `cannot use ${outputs} (scandir): permission denied; ${outputs} belongs to root (uid 0)`);
});

test("lost output does not change the status, and a lost result gives a plain error and status 3", async () => {
  const usage = [cli, "boot", "/nonexistent"];
  await using home = await TempDir.create("surroundings");
  const env = { LIVELAB_HOME: home.path };
  const statuses = {
    "2>/dev/full": 2,
    "2> >(exec true)": 2,
    "<&- >&- 2>&-": 2,
    "2>&1 | true": 2,
  };
  for (const [redirections, status] of Object.entries(statuses)) {
    assert.is((await run(usage, redirections, env)).status, status, redirections);
  }
  const full = await run([cli, "stages"], ">/dev/full");
  assert.is(full.status, 3);
  assert.match(full.stderr, "livelab: cannot write to standard output: no space left on device");
  assert.not.match(full.stderr, "    at ");
  for (const redirections of ["| true", ">&-"]) {
    assert.equal(await run([cli, "stages"], redirections), { status: 0, stdout: "", stderr: "" }, redirections);
  }
});

test("lost output does not crash the test runner and set-up", async () => {
  const full = await run([runner, "base/format.test.ts"], ">/dev/full");
  assert.is(full.status, 3);
  assert.match(full.stderr, "cannot write to standard output");
  assert.not.match(full.stderr, "    at ");
  assert.is((await run([runner, "base/format.test.ts"], "<&- 2>/dev/full")).status, 0);
  for (const redirections of ["2>/dev/full", "<&- >&- 2>&-"]) {
    assert.is((await run([runner, "--no-such-option"], redirections)).status, 2, redirections);
    assert.is((await run([join(root, "setup.mjs"), "--no-such-option"], redirections)).status, 2, redirections);
  }
});

test("doctor, boot and the test runner name a missing TMPDIR, with status 3", async () => {
  await using dir = await TempDir.create("surroundings");
  const TMPDIR = join(dir.path, "missing");
  const LIVELAB_HOME = join(dir.path, "home");
  const doctor = await run([cli, "doctor"], "", { TMPDIR, LIVELAB_HOME });
  assert.is(doctor.status, 3);
  assert.match(
    doctor.stdout.replace(/ +/g, " "),
    `missing temp folder cannot make a temporary folder in ${TMPDIR} ($TMPDIR)`,
  );
  const tests = await run([runner, "base/format.test.ts"], "", { TMPDIR });
  assert.is(tests.status, 3);
  assert.match(tests.stderr, `${TMPDIR} ($TMPDIR): the path does not exist`);
  assert.not.match(tests.stderr, "    at ");
});

test("tests can make their sockets with a TMPDIR of 100 characters", async () => {
  await using dir = await TempDir.create("surroundings");
  const TMPDIR = join(dir.path, "t".repeat(100 - dir.path.length - 1));
  await mkdir(TMPDIR);
  const { status, stdout } = await run([runner, "vm/qemu/qmp-session.test.ts", "harness/wire/wire.test.ts"], "", {
    TMPDIR,
  });
  assert.is(status, 0, stdout);
  assert.equal(await readdir(TMPDIR), []);
});

test("a terminal without a size, and a dumb one, get plain dated lines", async () => {
  await using dir = await TempDir.create("surroundings");
  const verify = `'${process.execPath}' '${cli}' verify '${dir.path}'`;
  for (const command of [`stty cols 0 rows 0; ${verify}`, `stty cols 80 rows 24; TERM=dumb ${verify}`]) {
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, TERM: "xterm", CI: "", NO_COLOR: "" },
    });
    let screen = "";
    child.stdout.on("data", (chunk) => (screen += chunk));
    await once(child, "close");
    assert.not.match(screen, "\u001b", command);
    assert.match(screen, new RegExp(`^[-\\d]+T[:\\d]+Z {2}\\+[.\\d]+ s {2}verify ${dir.path} …`, "m"), command);
  }
});

test.run();
