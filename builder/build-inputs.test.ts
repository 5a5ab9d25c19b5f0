import { chmod, mkdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../base/run-program.js";
import { TempDir } from "../base/temp-dir.js";
import { BuildInputs, describeChanges } from "./build-inputs.js";

const test = suite("inputs of a build");

interface Project {
  readonly path: (name: string) => string;
  readonly write: (name: string, content: string) => Promise<void>;
  /** Changes since the last call. */
  readonly changes: () => Promise<string[]>;
}

async function openProject(root: string): Promise<Project> {
  const path = (name: string): string => join(root, name);
  const write = async (name: string, content: string): Promise<void> => {
    await mkdir(dirname(path(name)), { recursive: true });
    await writeFile(path(name), content);
  };
  await write("proto/usr/bin/tool", "one");
  await write("builder/stages/lib.sh", "set -eu");
  await write("builder/lock/bookworm/base.Packages", "");
  const inputs = new BuildInputs(root);
  let before = await inputs.read();
  const changes = async (): Promise<string[]> => {
    const after = await inputs.read();
    const found = describeChanges(before, after);
    before = after;
    return found;
  };
  return { path, write, changes };
}

test("a changed content, an executable bit, a link's target, a new and a removed file are changes", async () => {
  await using dir = await TempDir.create("inputs");
  const { path, write, changes } = await openProject(dir.path);
  assert.equal(await changes(), []);
  await write("proto/usr/bin/tool", "two");
  await write("builder/stages/lib.sh", "set -u");
  assert.equal(await changes(), ["builder/stages/lib.sh changed", "proto/usr/bin/tool changed"]);
  await chmod(path("proto/usr/bin/tool"), 0o755);
  assert.equal(await changes(), ["proto/usr/bin/tool changed"]);
  await symlink("tool", path("proto/usr/bin/link"));
  assert.equal(await changes(), ["proto/usr/bin/link added"]);
  await rm(path("proto/usr/bin/link"));
  await symlink("other", path("proto/usr/bin/link"));
  assert.equal(await changes(), ["proto/usr/bin/link changed"]);
  await rm(path("proto/usr/bin/tool"));
  await rm(path("builder/lock"), { recursive: true });
  assert.equal(await changes(), ["builder/lock/bookworm/base.Packages removed", "proto/usr/bin/tool removed"]);
});

test("a new time, a replacement with equal content, sources of livelab and files of editors are no changes", async () => {
  await using dir = await TempDir.create("inputs");
  const { path, write, changes } = await openProject(dir.path);
  await utimes(path("proto/usr/bin/tool"), 1000, 1000);
  await chmod(path("proto/usr/bin/tool"), 0o600);
  await write("new", "set -eu");
  await rename(path("new"), path("builder/stages/lib.sh"));
  await write("builder/stages/stages.ts", "");
  for (const name of [".tool.swp", "4913", "tool~", ".#tool", "#tool#"]) await write(`proto/usr/bin/${name}`, "");
  assert.equal(await changes(), []);
  await write("proto/usr/bin/source.ts", "");
  assert.equal(await changes(), ["proto/usr/bin/source.ts added"]);
});

test("a pipe and a file that may not be read do not stop the reading", async () => {
  await using dir = await TempDir.create("inputs");
  const { path, changes } = await openProject(dir.path);
  await runProgram("mkfifo", [path("proto/usr/bin/pipe")]);
  await chmod(path("proto/usr/bin/tool"), 0o200); // root may read it
  assert.equal(
    (await changes()).filter((change) => !change.includes("/tool ")),
    ["proto/usr/bin/pipe added"],
  );
});

test("a change that keeps size and time is seen", async () => {
  await using dir = await TempDir.create("inputs");
  const { path, write, changes } = await openProject(dir.path);
  await utimes(path("proto/usr/bin/tool"), 1000, 1000);
  assert.equal(await changes(), []);
  await write("proto/usr/bin/tool", "two");
  await utimes(path("proto/usr/bin/tool"), 1000, 1000);
  assert.equal(await changes(), ["proto/usr/bin/tool changed"]);
});

test.run();
