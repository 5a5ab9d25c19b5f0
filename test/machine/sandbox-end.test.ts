/** The sandbox's end, seen from outside: its owner is killed, and no part of the sandbox may be left. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { sweepHome } from "../../builder/home/sweep.js";
import { sandboxLack } from "../../fixtures/sandbox-lack.js";
import { linkHome, openToyBuildContext } from "../../fixtures/toy-stage.js";
import { testUnless } from "../runner/skip-test.js";

const suiteOfEnds = suite("end of the sandbox");
const test = (title: string, body: () => Promise<void>): void => testUnless(suiteOfEnds, title, sandboxLack, body);
const LONGEST_END_MS = 5_000;

/** Finds processes whose environment or arguments name the folder. */
async function processesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const texts = await Promise.all(
      ["cmdline", "environ"].map((file) => readFile(`/proc/${pid}/${file}`, "latin1").catch(() => "")),
    );
    if (texts.some((text) => text.includes(folder))) found.push(`${pid} ${texts[0]?.replaceAll("\0", " ")}`);
  }
  return found;
}

/** Finds mounts that name the folder, in the namespace of any process. */
async function mountsOf(folder: string): Promise<string[]> {
  const found = new Set<string>();
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const text = await readFile(`/proc/${pid}/mounts`, "latin1").catch(() => "");
    for (const line of text.split("\n")) if (line.includes(folder)) found.add(line);
  }
  return [...found];
}

for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
  test(`${signal} of the sandbox's owner leaves no mount and no process`, async () => {
    await using dir = await TempDir.create("sandbox-end");
    const home = await linkHome(dir.path);
    const owner = spawn(process.execPath, [join(findProjectRoot(), "dist/fixtures/sandbox-owner.js"), home], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(owner, "exit");
    const [first] = await Promise.race([once(createInterface(owner.stdout), "line"), exited]);
    assert.match(String(first), "asleep");
    assert.ok((await mountsOf(home)).length > 0, "the sandbox is there before its owner is killed");

    owner.kill(signal);
    await exited;
    let left: string[] = [];
    for (const started = performance.now(); performance.now() - started < LONGEST_END_MS; await sleep(50)) {
      left = [...(await processesOf(home)), ...(await mountsOf(home))];
      if (left.length === 0) break;
    }
    assert.equal(left, []);
    if (signal !== "SIGKILL") assert.equal(await readdir(join(home, "machines")), []);

    // The next process removes what a killed one could not.
    await sweepHome((await openToyBuildContext(home)).home, process.getuid?.() === 0);
    assert.equal(await readdir(join(home, "machines")), []);
    assert.equal(await readdir(join(home, "layers")), []);
  });
}

suiteOfEnds.run();
