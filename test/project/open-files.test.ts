/** Runs livelab under limits of open files. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";

const test = suite("open files");

async function livelab(limit: number, ...words: readonly string[]) {
  await using home = await TempDir.create("open-files");
  const program = join(findProjectRoot(), "dist/cli/main.js");
  return spawnSync("sh", ["-c", 'ulimit -n "$0" && exec "$@"', String(limit), process.execPath, program, ...words], {
    env: { ...process.env, LIVELAB_HOME: home.path },
    encoding: "utf8",
  });
}

test("a limit of open files that prevents livelab's start is reported with a hint", async () => {
  for (const limit of [24, 64]) {
    const { status, stderr, stdout } = await livelab(limit, "stages");
    assert.is(status, 3, stderr);
    assert.match(stderr, `livelab cannot open more files (the limit is ${limit}): EMFILE`);
    assert.match(stderr, "try: run ulimit -n 1024");
    assert.not.match(stderr, /^ +at /m);
    assert.is(stdout, "");
  }
});

test("256 open files are enough for livelab", async () => {
  for (const words of [["stages"], ["releases"]]) assert.is((await livelab(256, ...words)).status, 0);
});

test.run();
