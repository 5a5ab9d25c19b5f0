import { spawnSync } from "node:child_process";
import { chmod, cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";

const test = suite(".ci/run");

/** Runs .ci/run in its own folder, with a stand-in for npm that runs `script` for `npm test`. */
async function run(script: string) {
  await using dir = await TempDir.create("ci-run");
  const bin = join(dir.path, "bin");
  await mkdir(bin);
  await cp(join(findProjectRoot(), ".ci"), join(dir.path, ".ci"), { recursive: true });
  await writeFile(join(bin, "npm"), `#!/bin/sh\n[ "$1" = test ] || exit 0\n${script}\n`);
  await chmod(join(bin, "npm"), 0o755);
  const { status, stdout } = spawnSync(join(dir.path, ".ci/run"), {
    env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}` },
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, lastLine: stdout.trimEnd().split("\n").at(-1), stdout };
}

test(".ci/run ends with the sum and status 0 if all passed", async () => {
  const { status, lastLine, stdout } = await run("pwd; echo '12 passed, 0 failed'");
  assert.equal([status, lastLine], [0, "12 passed, 0 failed"]);
  assert.match(stdout, /^\S*livelab-ci-run-\S+$/m);
});

test(".ci/run ends with the sum and npm's status if something failed, whatever npm prints after it", async () => {
  const { status, lastLine, stdout } = await run(
    "echo '1 passed, 0 failed'; echo '11 passed, 1 failed'; echo 'npm error Lifecycle script `test` failed' >&2; exit 1",
  );
  assert.equal([status, lastLine], [1, "11 passed, 1 failed"]);
  assert.match(stdout, "npm error Lifecycle");
});

test(".ci/run fails if npm test ends without a sum", async () => {
  assert.equal((await run("echo setup: no network; exit 3")).lastLine, "0 passed, 1 failed");
  assert.is((await run("exit 3")).status, 3);
  assert.is((await run("exit 0")).status, 1);
});

test.run();
