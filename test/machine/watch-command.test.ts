/** `livelab watch` as a user runs it, in a copy of the project whose first stage fails in ways that the test chooses. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { linkHome } from "../../fixtures/toy-stage.js";

const test = suite("livelab watch");
const INTERRUPTED = 130;

/** Copies what livelab runs and reads. */
async function copyProject(target: string): Promise<string> {
  const root = findProjectRoot();
  for (const part of ["package.json", "dist", "proto", "builder", "harness", "vm", "setup", "fixtures"])
    await cp(join(root, part), join(target, part), { recursive: true, verbatimSymlinks: true });
  await symlink(join(root, "node_modules"), join(target, "node_modules"));
  return target;
}

test("each change builds again and stops a build that is overtaken; failures do not end the watch, Ctrl-C does, and leaves no half layer", async () => {
  await using dir = await TempDir.create("watch");
  const project = await copyProject(join(dir.path, "project"));
  const homeRoot = join(dir.path, "home");
  await mkdir(homeRoot);
  const home = await linkHome(homeRoot);
  const stage = join(project, "builder/stages/preflight_check.sh");
  const write = (line: string): Promise<void> => writeFile(stage, `#!/bin/sh\n${line}\n`);
  await write("echo first-failure; exit 9");

  const child = spawn(process.execPath, [join(project, "dist/cli/main.js"), "watch", "--until", "kernel"], {
    env: { ...process.env, LIVELAB_HOME: home },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += chunk));
  /** Waits for a text in what was written since the last such text. */
  const next = async (text: string): Promise<string> => {
    for (const started = performance.now(); performance.now() - started < 120_000; await sleep(20)) {
      const at = stderr.indexOf(text);
      if (at < 0) {
        assert.is(child.exitCode, null, stderr);
        continue;
      }
      const before = stderr.slice(0, at);
      stderr = stderr.slice(at + text.length);
      return before;
    }
    throw new Error(`no "${text}" in ${stderr}`);
  };

  try {
    assert.match(await next("waiting for a change"), /stage preflight_check ended with status 9.*first-failure/s);
    await write("echo now-it-sleeps; exec sleep 600");
    await next("builder/stages/preflight_check.sh changed\n");
    await next("preflight_check: now-it-sleeps");
    await write("echo second-failure; exit 8");
    await next("builder/stages/preflight_check.sh changed; stopping the current round\n");
    const overtaken = await next("preflight_check failed");
    assert.not.match(overtaken, "livelab: ", "what was stopped is no failure");
    assert.match(await next("waiting for a change"), /stage preflight_check ended with status 8.*second-failure/s);
    await appendFile(join(project, "proto/etc/environment"), "# changed\n");
    await next("proto/etc/environment changed\n");
    await next("waiting for a change");
    await write("echo now-it-sleeps; exec sleep 600");
    await next("preflight_check: now-it-sleeps");
    child.kill("SIGINT");
    assert.equal(await closed, [INTERRUPTED, null]);
    assert.match(stderr, /livelab: interrupted\n$/);
    assert.equal(await readdir(join(home, "layers")), []);
  } finally {
    child.kill("SIGKILL");
  }
});

test.run();
