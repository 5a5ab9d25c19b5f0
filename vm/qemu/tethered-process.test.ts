/** Checks from outside that QEMU ends together with the owner of a machine, and that nothing is left. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { halt, writeBootDisk } from "../../fixtures/vm-guest-code.js";
import type { VmError } from "../vm-error.js";
import { spawnTethered } from "./tethered-process.js";

const test = suite("tethered-process");

const OWNER = fileURLToPath(new URL("../../fixtures/vm-owner.js", import.meta.url));

/** The processes whose command line contains `text`, except the owner itself. */
async function processesWith(text: string): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "")));
  return lines.filter((line) => line.includes(text) && !line.includes(OWNER));
}

async function noneWith(text: string): Promise<void> {
  const deadline = performance.now() + 2_000;
  while (performance.now() < deadline) {
    if ((await processesWith(text)).length === 0) return;
    await sleep(20);
  }
  assert.equal(await processesWith(text), []);
}

/** Starts the owner with its own temporary folder, and waits until its machine runs. */
async function startOwner(dir: string, name: string, ...mode: readonly string[]): Promise<ChildProcess> {
  const disk = join(dir, "disk");
  await writeBootDisk(disk, halt);
  await mkdir(join(dir, "tmp"));
  const owner = spawn(process.execPath, [OWNER, disk, join(dir, "work"), name, ...mode], {
    env: { ...process.env, TMPDIR: join(dir, "tmp") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said] = await once(owner.stdout, "data");
  assert.is(String(said), "ready\n");
  return owner;
}

for (const signal of ["SIGKILL", "SIGTERM", "SIGINT"] as const) {
  test(
    `no QEMU and no temporary folder outlives an owner that gets ${signal}`,
    within(10_000, async () => {
      await using dir = await TempDir.create("tether");
      const name = `tether-${signal}-${process.pid}`;
      const owner = await startOwner(dir.path, name);
      assert.is((await processesWith(`livelab-${name}`)).length, 1);
      owner.kill(signal);
      const [code] = await once(owner, "exit");
      // The owner handles only SIGINT: it disposes of the machine.
      assert.is(code, signal === "SIGINT" ? 0 : null);
      await noneWith(`livelab-${name}`);
      assert.equal(await readdir(join(dir.path, "tmp")), []);
    }),
  );
}

test(
  "no QEMU outlives an owner that calls process.exit",
  within(10_000, async () => {
    await using dir = await TempDir.create("tether");
    const name = `tether-exit-${process.pid}`;
    const owner = await startOwner(dir.path, name, "exit");
    if (owner.exitCode === null) await once(owner, "exit");
    await noneWith(`livelab-${name}`);
    assert.equal(await readdir(join(dir.path, "tmp")), []);
  }),
);

test(
  "no process of the child outlives an owner that calls process.exit",
  within(5_000, async () => {
    await using dir = await TempDir.create("tether");
    const mark = `0.${process.pid}5678`;
    const program = fileURLToPath(new URL("../../fixtures/vm-leaver.js", import.meta.url));
    const owner = spawn(process.execPath, [program, join(dir.path, "log"), `1${mark}`], { stdio: "inherit" });
    const [code] = await once(owner, "exit");
    assert.is(code, 0);
    await noneWith(mark);
  }),
);

test(
  "spawnTethered connects a channel, reports the exit status, and logs the output",
  within(5_000, async () => {
    await using dir = await TempDir.create("tether");
    const logPath = join(dir.path, "log");
    const child = await spawnTethered("/bin/sh", ["-c", "cat <&3 >&3 & echo said; echo wrong >&2; wait; exit 7"], {
      logPath,
    });
    child.channel.end("over and back");
    assert.is(String((await once(child.channel, "data"))[0]), "over and back");
    assert.equal(await child.exited, { code: 7, signal: null });
    assert.is(await readFile(logPath, "utf8"), "said\nwrong\n");
  }),
);

test(
  "kill() signals the child and the processes that it started",
  within(5_000, async () => {
    await using dir = await TempDir.create("tether");
    const mark = `0.${process.pid}1234`;
    const child = await spawnTethered("/bin/sh", ["-c", `sleep 1${mark} & echo up >&3; wait`], {
      logPath: join(dir.path, "log"),
    });
    await once(child.channel, "data");
    child.kill("SIGKILL");
    assert.equal(await child.exited, { code: null, signal: "SIGKILL" });
    await noneWith(mark);
    child.kill("SIGKILL");
  }),
);

test(
  "spawnTethered throws if it cannot write its log",
  within(5_000, async () => {
    const error = await thrownBy(spawnTethered("/bin/true", [], { logPath: "/livelab/no/such/folder" }));
    assert.match(String(error), "ENOENT");
  }),
);

test("a child runs in / if the working folder of livelab is gone", async () => {
  await using dir = await TempDir.create("tether");
  const [folder, logPath] = [join(dir.path, "gone"), join(dir.path, "log")];
  await mkdir(folder);
  const before = process.cwd();
  process.chdir(folder);
  await rmdir(folder);
  try {
    await (await spawnTethered("pwd", [], { logPath })).exited;
    assert.is(await readFile(logPath, "utf8"), "/\n");
  } finally {
    process.chdir(before);
  }
});

test("the errors for a missing setpriv and for a setpriv that cannot start have different messages", async () => {
  await using dir = await TempDir.create("setpriv");
  const failure = async (): Promise<VmError> =>
    (await thrownBy(spawnTethered("true", [], { logPath: join(dir.path, "log") }))) as VmError;
  const path = process.env["PATH"];
  process.env["PATH"] = dir.path;
  try {
    assert.is((await failure()).message, "setpriv is not in the PATH");
    await writeFile(join(dir.path, "setpriv"), "no program", { mode: 0o644 });
    const { code, kind, message } = await failure();
    assert.equal([code, kind], ["SETPRIV_NOT_FOUND", "host"]);
    assert.match(message, "cannot start setpriv: spawn setpriv EACCES");
  } finally {
    process.env["PATH"] = path;
  }
});

test.run();
