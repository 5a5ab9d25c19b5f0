/**
 * `npm run test:reproducible`: builds the image three times, cold, with one stamp, and compares all outputs byte by byte:
 * unchanged; from another checkout with another locale, umask, time zone, clock, user name and one processor; and killed in
 * two stages and resumed. It uses the inputs, bases and ZFS modules of the host's LIVELAB_HOME. Each build has its own
 * layers of 3 GB, which are removed.
 */
import { cp, mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { findProgram } from "../base/find-program.js";
import { formatDuration } from "../base/format.js";
import { isThere } from "../base/is-there.js";
import { watchOutput } from "../base/lost-output.js";
import { findProjectRoot } from "../base/project-root.js";
import { runProgram } from "../base/run-program.js";
import { TempDir } from "../base/temp-dir.js";
import { readSourceState } from "../builder/release/git-status.js";
import { SUMS } from "../builder/release/outputs.js";
import { linkHome, separateArtifacts } from "../fixtures/toy-stage.js";
import { measuredRun } from "./measured-run.js";
import { useTestTools } from "./runner/test-tools.js";

const STAMP = "20260102T030405Z";
const KILLED_IN = ["install_live", "prepare_archive_bits"];
/** A library of Debian's package libfaketime. */
const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

const root = findProjectRoot();
if ((await readSourceState(root)).dirty)
  throw new Error("uncommitted changes: commit them first, because the test compares checkouts of the commit");
watchOutput({ program: "reproducible" });
await useTestTools();
await using dir = await TempDir.create("reproducible");

interface Build {
  readonly name: string;
  readonly out: string;
}

/** Makes a checkout of the commit, with its own home. */
async function prepare(name: string, checkout: string): Promise<{ cli: string; home: string; out: string }> {
  const project = join(dir.path, checkout);
  await mkdir(join(project, ".."), { recursive: true });
  await runProgram("git", ["clone", "--quiet", root, project]);
  await cp(join(root, "dist"), join(project, "dist"), { recursive: true });
  await symlink(join(root, "node_modules"), join(project, "node_modules"));
  const home = join(dir.path, `home-${name}`);
  await mkdir(home);
  await linkHome(home);
  await separateArtifacts(home);
  return { cli: join(project, "dist/cli/main.js"), home, out: join(dir.path, `out-${name}`) };
}

async function plain(): Promise<Build> {
  const { cli, home, out } = await prepare("plain", "plain/livelab");
  await built(
    "plain",
    measuredRun([cli, "build", "--machine", "sandbox", "--stamp", STAMP, "-o", out], { LIVELAB_HOME: home }),
  );
  return { name: "plain", out: join(out, STAMP) };
}

async function elsewhere(): Promise<Build> {
  const { cli, home, out } = await prepare("elsewhere", "else where/it's livelab");
  const env: Record<string, string> = {
    LIVELAB_HOME: home,
    LC_ALL: "tr_TR.UTF-8",
    LANG: "tr_TR.UTF-8",
    TZ: "Pacific/Kiritimati",
    USER: "somebody",
    LOGNAME: "somebody",
    HOME: dir.path,
    SOURCE_DATE_EPOCH: "1",
  };
  if (await isThere(FAKETIME)) {
    Object.assign(env, { LD_PRELOAD: FAKETIME, FAKETIME: "+4000d", FAKETIME_DONT_FAKE_MONOTONIC: "1" });
  } else process.stdout.write(`the clock is not changed: ${FAKETIME} is missing\n`);
  const pin = (await findProgram("taskset")) === undefined ? [] : ["taskset", "--cpu-list", "0"];
  const before = ["sh", "-c", 'umask 077; exec "$@"', "sh", ...pin];
  const words = [cli, "build", "--machine", "sandbox", "--stamp", STAMP, "-o", out];
  await built(
    "elsewhere",
    measuredRun(words, env, () => {}, before),
  );
  return { name: "elsewhere", out: join(out, STAMP) };
}

async function resumed(): Promise<Build> {
  const { cli, home, out } = await prepare("resumed", "resumed");
  const env = { LIVELAB_HOME: home };
  const go = ["--machine", "sandbox", "-o", out];
  for (const [index, stage] of KILLED_IN.entries()) {
    const which = index === 0 ? ["--stamp", STAMP] : ["-r", STAMP];
    const killed = await measuredRun([cli, "build", ...which, ...go], env, (text, kill) => {
      if (new RegExp(`${stage}: (?!starting)`).test(text)) kill();
    });
    if (killed.status !== null) throw new Error(`SIGKILL in ${stage} did not end the build: status ${killed.status}`);
  }
  await built("resumed", measuredRun([cli, "build", "-r", STAMP, ...go], env));
  return { name: "resumed", out: join(out, STAMP) };
}

async function built(name: string, running: ReturnType<typeof measuredRun>): Promise<void> {
  const { status, durationMs } = await running;
  if (status !== 0) throw new Error(`build "${name}" ended with status ${status}`);
  process.stdout.write(`${name}: ${formatDuration(durationMs)}\n`);
}

const first = await plain();
const expected = await readFile(join(first.out, SUMS), "utf8");
process.stdout.write(`\n${first.name}/${SUMS}\n${expected}\n`);
let failures = 0;
for (const make of [elsewhere, resumed]) {
  const other = await make();
  const sums = await readFile(join(other.out, SUMS), "utf8");
  process.stdout.write(`\n${other.name}/${SUMS}\n${sums}\n`);
  const compared = await compareFolders(first.out, other.out);
  const equal = sums === expected && compared.status === 0;
  failures += equal ? 0 : 1;
  process.stdout.write(equal ? `ok: ${other.name} has the bytes of ${first.name}\n` : `FAILED: ${compared.stdout}\n`);
}
process.stdout.write(failures === 0 ? "\nall builds are equal\n" : `\n${failures} FAILED\n`);
if (failures > 0) process.exitCode = 1;

/** Runs `livelab compare` on two folders and returns its output and whether they are equal. */
async function compareFolders(one: string, two: string): Promise<{ status: number; stdout: string }> {
  return runProgram(process.execPath, [join(root, "dist/cli/main.js"), "compare", one, two]).then(
    ({ stdout }) => ({ status: 0, stdout }),
    (error: { status?: number; stdout?: string; stderr?: string }) => ({
      status: error.status ?? -1,
      stdout: `${error.stdout ?? ""}${error.stderr ?? ""}`,
    }),
  );
}
