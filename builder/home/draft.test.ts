import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isThere } from "../../base/is-there.js";
import { TempDir } from "../../base/temp-dir.js";
import { importLine, namespaceRefusal, startProgram, userChangeLack } from "../../fixtures/other-process.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../../test/runner/skip-test.js";
import { Draft, isDraftName, replaceFile, sweepDrafts } from "./draft.js";
import { formatOwner, thisProcess } from "./owner.js";

const test = suite("draft");
const IMPORTS = importLine("Draft, sweepDrafts", "./draft.js", import.meta.url);
/** A program that begins a folder and runs until it is killed. */
const maker = (target: string): string => `${IMPORTS}
  import { mkdirSync } from "node:fs";
  const draft = await Draft.begin(${JSON.stringify(target)});
  mkdirSync(draft.path + "/half", { recursive: true });
  console.log(draft.folder);
  setInterval(() => {}, 1000);`;

test(
  "a committed file, folder and link appear complete under their names, and no draft stays",
  within(10_000, async () => {
    await using dir = await TempDir.create("draft");
    await replaceFile(join(dir.path, "file"), "one");
    await replaceFile(join(dir.path, "file"), "two");
    assert.is(await readFile(join(dir.path, "file"), "utf8"), "two");
    {
      await using folder = await Draft.begin(join(dir.path, "folder"));
      await mkdir(folder.path);
      await writeFile(join(folder.path, "owner"), "a file of its own");
      await folder.commit();
      await using link = await Draft.begin(join(dir.path, "link"));
      await symlink("folder", link.path);
      await link.commit();
      await using _dropped = await Draft.begin(join(dir.path, "dropped"));
    }
    assert.equal((await readdir(dir.path)).sort(), ["file", "folder", "link"]);
    assert.equal(await readdir(join(dir.path, "link")), ["owner"]);
  }),
);

test(
  "a draft accepts the longest name that the file system allows",
  within(10_000, async () => {
    await using dir = await TempDir.create("draft");
    const names = ["x".repeat(255), "ő".repeat(127)];
    for (const name of names) await replaceFile(join(dir.path, name), "");
    assert.equal((await readdir(dir.path)).sort(), names.sort());
  }),
);

test(
  "a sweep removes the draft of a killed process and keeps those of running ones",
  within(20_000, async () => {
    await using dir = await TempDir.create("draft");
    await using killed = await startProgram(maker(join(dir.path, "a")));
    await using running = await startProgram(maker(join(dir.path, "a")));
    await using _mine = await Draft.begin(join(dir.path, "a"));
    await sweepDrafts(dir.path);
    assert.is((await readdir(dir.path)).length, 3);
    await killed.kill();
    await sweepDrafts(dir.path);
    assert.is((await readdir(dir.path)).length, 2);
    assert.not(await isThere(killed.line));
    assert.ok((await stat(join(running.line, "new/half"))).isDirectory());
  }),
);

const elsewhere = "a sweep keeps the draft of a process in other PID, mount and network namespaces until it is killed";
const refused = await namespaceRefusal();
testUnless(
  test,
  elsewhere,
  refused,
  within(20_000, async () => {
    await using dir = await TempDir.create("draft");
    await using other = await startProgram(maker(join(dir.path, "a")), true);
    await sweepDrafts(dir.path);
    assert.equal(await readdir(other.line), ["new", "owner"]);
    await other.kill();
    await sweepDrafts(dir.path);
    assert.equal(await readdir(dir.path), []);
  }),
);

/** Names that a user may have in the output folder, many of them similar to livelab's own. */
const USERS_NAMES = [
  "photos.2024-06",
  "20260102T030405Z.4711-12345",
  "latest.1-1",
  "backup.old.1-2",
  "in-use.4711-99",
  "a.livelab-2024",
  "a.livelab-0123456789abcdef",
  ".livelab-0123456789abcdef",
  "a.livelab-0123456789abcdef.tar",
  "a.part",
  "owner",
  "lock",
];

test(
  "a sweep keeps every file, folder and link of a user, whatever its name",
  within(10_000, async () => {
    for (const kind of ["file", "folder", "empty folder", "link"] as const) {
      await using dir = await TempDir.create("draft");
      await mkdir(join(dir.path, "elsewhere"));
      await writeFile(join(dir.path, "elsewhere", "owner"), formatOwner(thisProcess()));
      for (const name of USERS_NAMES) {
        const path = join(dir.path, name);
        if (kind === "file") await writeFile(path, "mine");
        else if (kind === "link") await symlink("elsewhere", path);
        else await mkdir(path);
        if (kind === "folder") await writeFile(join(path, "owner"), "Jane\n");
      }
      await sweepDrafts(dir.path);
      assert.equal((await readdir(dir.path)).sort(), [...USERS_NAMES, "elsewhere"].sort(), kind);
      assert.equal(await readdir(join(dir.path, "elsewhere")), ["owner"], kind);
      if (kind === "folder") {
        for (const name of USERS_NAMES) assert.is(await readFile(join(dir.path, name, "owner"), "utf8"), "Jane\n");
      }
    }
  }),
);

testUnless(
  test,
  "a sweep keeps the drafts of another user",
  await userChangeLack(),
  within(20_000, async () => {
    await using dir = await TempDir.create("draft");
    await chmod(dir.path, 0o755);
    await using killed = await startProgram(maker(join(dir.path, "a")));
    await killed.kill();
    await chmod(join(killed.line, "owner"), 0o444);
    await using other = await startProgram(`${IMPORTS}
      if (process.getuid() === 0) process.setuid(65534);
      await sweepDrafts(${JSON.stringify(dir.path)});
      console.log("swept");`);
    assert.is(await other.exited, 0);
    assert.equal((await readdir(killed.line)).sort(), ["new", "owner"]);
  }),
);

test("isDraftName() accepts only names that end in the marker and a token", () => {
  assert.ok(isDraftName("a.livelab-0123456789abcdef"));
  for (const name of ["a.livelab-2024", "a.livelab-0123456789abcdef.tar", "photos.2024-06", "livelab-0123456789abcdef"])
    assert.not(isDraftName(name), name);
});

test(
  "Draft.begin() names the folder that it cannot write, and leaves no file in it",
  within(10_000, async () => {
    await using dir = await TempDir.create("draft");
    const error = (await thrownBy(Draft.begin(join(dir.path, "absent", "a")))) as Error;
    assert.match(error.message, join(dir.path, "absent"));
    const before = process.env["PATH"];
    try {
      process.env["PATH"] = dir.path;
      assert.is(((await thrownBy(Draft.begin(join(dir.path, "a")))) as { code?: string }).code, "NO_LOCKS");
    } finally {
      process.env["PATH"] = before;
    }
    assert.equal(await readdir(dir.path), []);
  }),
);

test(
  "concurrent sweeps never remove the draft of a running process",
  within(60_000, async () => {
    await using dir = await TempDir.create("draft");
    const sweeper = `${IMPORTS}
      console.log("sweeps");
      for (;;) await sweepDrafts(${JSON.stringify(dir.path)});`;
    await using _one = await startProgram(sweeper);
    await using _two = await startProgram(sweeper, refused === undefined);
    for (let turn = 0; turn < 60; turn++) {
      await using draft = await Draft.begin(join(dir.path, `${turn}`));
      await mkdir(draft.path);
      await writeFile(join(draft.path, "content"), String(turn));
      await draft.commit();
    }
    const made = await readdir(dir.path);
    assert.is(made.filter((name) => !isDraftName(name)).length, 60);
    for (let turn = 0; turn < 60; turn++)
      assert.is(await readFile(join(dir.path, String(turn), "content"), "utf8"), String(turn));
  }),
);

test.run();
