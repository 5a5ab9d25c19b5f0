import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, chmod, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LivelabError } from "../../base/livelab-error.js";
import { TempDir } from "../../base/temp-dir.js";
import { importLine, namespaceRefusal, programArgv, startProgram } from "../../fixtures/other-process.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../../test/runner/skip-test.js";
import { describeOwner, formatOwner, OwnerLock, thisProcess } from "./owner.js";

const test = suite("owner");
const IMPORTS = importLine("OwnerLock", "./owner.js", import.meta.url);
/** A program that holds a lock until it is killed. */
const holder = (path: string): string => `${IMPORTS}
  await OwnerLock.take(${JSON.stringify(path)}, "it");
  console.log(process.pid);
  setInterval(() => {}, 1000);`;

const refusalOf = async (work: Promise<unknown>): Promise<LivelabError> => (await thrownBy(work)) as LivelabError;

test(
  "a held lock is refused to others with the holder's pid and how to end it; its release removes the file",
  within(10_000, async () => {
    await using dir = await TempDir.create("owner");
    const path = join(dir.path, "lock");
    {
      await using _held = await OwnerLock.take(path, "release X");
      const error = await refusalOf(OwnerLock.take(path, "release X"));
      assert.is(error.code, "BUSY");
      assert.is(error.kind, "host");
      assert.is(error.message, `release X is in use by another livelab (pid ${process.pid})`);
      assert.is(error.hint, `wait for it to end, or end it: kill ${process.pid}`);
    }
    assert.equal(await readdir(dir.path), []);
  }),
);

test(
  "a killed process holds no lock, even while a program that it started still runs",
  within(20_000, async () => {
    await using dir = await TempDir.create("owner");
    const path = join(dir.path, "lock");
    await using killed = await startProgram(`${IMPORTS}
      import { spawn } from "node:child_process";
      await OwnerLock.take(${JSON.stringify(path)}, "it");
      const { pid } = spawn("sleep", ["60"], { stdio: "ignore", detached: true });
      console.log(pid);
      setInterval(() => {}, 1000);`);
    const survivor = Number(killed.line);
    try {
      assert.is((await refusalOf(OwnerLock.take(path, "it"))).code, "BUSY");
      await killed.kill();
      process.kill(survivor, 0);
      await using _mine = await OwnerLock.take(path, "it");
      assert.is(JSON.parse(await readFile(path, "utf8")).pid, process.pid);
    } finally {
      process.kill(survivor, "SIGKILL");
    }
  }),
);

test("describeOwner() says where a holder in another container or on another host is, and gives no pid of an ended one", () => {
  const self = thisProcess();
  assert.is(describeOwner(self), `another livelab (pid ${self.pid})`);
  assert.is(
    describeOwner({ ...self, pidNamespace: "1", pid: 17, host: "web" }),
    "another livelab in another container (host name web, pid 17 there)",
  );
  assert.is(
    describeOwner({ ...self, boot: "other", pid: 17, host: "node7" }),
    "another livelab on another host (host name node7, pid 17 there)",
  );
  assert.is(describeOwner({ ...self, startTime: "1" }), "another livelab");
  assert.is(describeOwner(undefined), "another livelab");
});

test(
  "the content of a lock file does not decide whether it is held",
  within(10_000, async () => {
    await using dir = await TempDir.create("owner");
    const path = join(dir.path, "lock");
    for (const text of ["", `${process.pid}-1`, "4711", formatOwner({ ...thisProcess(), startTime: "1" })]) {
      await writeFile(path, text);
      await using _mine = await OwnerLock.take(path, "it");
    }
    assert.equal(await readdir(dir.path), []);
  }),
);

const elsewhere = "a process in other PID, mount and network namespaces keeps its lock until it is killed";
const refused = await namespaceRefusal();
testUnless(
  test,
  elsewhere,
  refused,
  within(20_000, async () => {
    await using dir = await TempDir.create("owner");
    const path = join(dir.path, "lock");
    await using other = await startProgram(holder(path), true);
    assert.is(other.line, "1", "its pid there");
    const error = await refusalOf(OwnerLock.take(path, "release X"));
    assert.is(error.code, "BUSY");
    assert.match(
      error.message,
      /^release X is in use by another livelab in another container \(host name .*, pid 1 there\)$/,
    );
    assert.is(error.hint, "wait for it to end, or end it in its container");
    await other.kill();
    await using _mine = await OwnerLock.take(path, "release X");
  }),
);

test(
  "a host without flock and a file system without it are refused with path and remedy",
  within(10_000, async () => {
    await using dir = await TempDir.create("owner");
    const path = join(dir.path, "lock");
    const bin = join(dir.path, "bin");
    await mkdir(bin);
    const before = process.env["PATH"];
    try {
      process.env["PATH"] = bin;
      const absent = await refusalOf(OwnerLock.take(path, "it"));
      assert.equal([absent.code, absent.kind], ["NO_LOCKS", "host"]);
      assert.match(absent.hint ?? "", "install util-linux");

      // Messages for a file system without locks: of util-linux, and of busybox, whose status equals that of a held lock.
      for (const [status, said] of [
        [71, "flock: 3: No locks available"],
        [1, "flock: Function not implemented"],
      ]) {
        await writeFile(join(bin, "flock"), `#!/bin/sh\necho '${said}' >&2\nexit ${status}\n`);
        await chmod(join(bin, "flock"), 0o755);
        process.env["PATH"] = `${bin}${delimiter}${before}`;
        const refusal = await refusalOf(OwnerLock.take(path, "it"));
        assert.equal([refusal.code, refusal.kind], ["NO_LOCKS", "host"]);
        assert.is(refusal.message, `cannot lock ${path}: ${said}`);
        assert.match(refusal.hint ?? "", "ext4");
      }
    } finally {
      process.env["PATH"] = before;
    }
  }),
);

test(
  "a held lock is refused as held also if the dynamic linker complains on flock's standard error",
  within(10_000, async () => {
    await using dir = await TempDir.create("owner");
    const path = join(dir.path, "lock");
    const before = process.env["LD_PRELOAD"];
    process.env["LD_PRELOAD"] = "/nonexistent.so";
    try {
      await using _held = await OwnerLock.take(path, "it");
      assert.is((await refusalOf(OwnerLock.take(path, "it"))).code, "BUSY");
    } finally {
      if (before === undefined) delete process.env["LD_PRELOAD"];
      else process.env["LD_PRELOAD"] = before;
    }
  }),
);

test(
  "a lock file that is a link is refused, and its target is unchanged",
  within(10_000, async () => {
    await using dir = await TempDir.create("owner");
    await writeFile(join(dir.path, "precious"), "words");
    await symlink("precious", join(dir.path, "lock"));
    const error = await refusalOf(OwnerLock.take(join(dir.path, "lock"), "it"));
    assert.is(error.code, "NOT_WRITABLE");
    assert.is(await readFile(join(dir.path, "precious"), "utf8"), "words");
  }),
);

/**
 * Takes the lock repeatedly. Writes "in X" and "out X" to a log and the count of turns to a file, protected only by the
 * lock. Half of the programs hang in their third turn and are killed in it.
 */
const contender = (dir: string, name: string, hangs: boolean): string => `${IMPORTS}
  import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
  const dir = ${JSON.stringify(dir)};
  const log = (word, turn) => appendFileSync(dir + "/log", word + " ${name}." + turn + "\\n");
  for (let turn = 1; turn <= 8; turn++) {
    const lock = await OwnerLock.wait(dir + "/lock", () => {});
    log("in", turn);
    const count = Number(readFileSync(dir + "/count", "utf8"));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
    writeFileSync(dir + "/count", String(count + 1));
    if (${hangs} && turn === 3) {
      console.log("hangs");
      await new Promise(() => setInterval(() => {}, 1000));
    }
    log("out", turn);
    await lock[Symbol.asyncDispose]();
  }`;

test(
  "only one of many contending processes holds the lock at a time, also when holders are killed",
  within(60_000, async () => {
    await using dir = await TempDir.create("owner");
    await writeFile(join(dir.path, "count"), "0");
    const PROCESSES = 8;
    const runs = Array.from({ length: PROCESSES }, async (_, index) => {
      const hangs = index % 2 === 1;
      const [command, ...args] = programArgv(
        contender(dir.path, `p${index}`, hangs),
        refused === undefined && index % 4 === 0,
      );
      const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
      const exited = once(child, "exit");
      if (hangs) {
        await once(child.stdout, "data");
        await appendFile(join(dir.path, "log"), `kill p${index}.3\n`);
        child.kill("SIGKILL");
      }
      const [status, signal] = await exited;
      assert.equal([status, signal], hangs ? [null, "SIGKILL"] : [0, null]);
    });
    await Promise.all(runs);

    const lines = (await readFile(join(dir.path, "log"), "utf8")).trim().split("\n");
    let inside: string | undefined;
    let turns = 0;
    for (const line of lines) {
      const [word, who = ""] = line.split(" ");
      if (word === "in") {
        assert.is(inside, undefined, `${who} came in while ${inside} was there`);
        inside = who;
        turns += 1;
      } else {
        assert.is(who, inside, `${who} (${word}) while ${inside} was there`);
        inside = undefined;
      }
    }
    assert.is(turns, (PROCESSES / 2) * (8 + 3));
    assert.is(Number(await readFile(join(dir.path, "count"), "utf8")), turns);
  }),
);

test.run();
