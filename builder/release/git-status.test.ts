import { appendFile, chmod, mkdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { describeSource, formatGitStatus, readSourceState } from "./git-status.js";

const test = suite("git status");
const MESSAGE = 'say "hello"\\\n\n{not JSON}';

async function makeRepository(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const git = (...words: string[]): Promise<unknown> =>
    runProgram("git", ["-C", folder, "-c", "user.name=A B", "-c", "user.email=a@b.example", ...words], {
      env: { ...process.env, GIT_COMMITTER_DATE: "1700000000 +0530", GIT_AUTHOR_DATE: "1600000000 +0000" },
    });
  await git("init", "--quiet", "--initial-branch", "br%25anch");
  await writeFile(join(folder, "file"), "one\n");
  await git("add", ".");
  await git("commit", "--quiet", "--message", MESSAGE);
}

test("gitstatus names the commit and its time in a checkout without a remote", async () => {
  await using dir = await TempDir.create("git-status");
  await makeRepository(dir.path);
  const { stdout } = await runProgram("git", ["-C", dir.path, "rev-parse", "HEAD"]);
  const state = await readSourceState(dir.path);
  assert.equal(state, {
    repo: "livelab",
    branch: null,
    rev: stdout.trim(),
    commit_date: "1700000000",
    dirty: false,
  });
  assert.equal(JSON.parse(formatGitStatus(state)), [state]);
  assert.not.match(formatGitStatus(state), "\n");
});

test("gitstatus is the same in two checkouts of one commit with other paths, branches and remotes", async () => {
  await using dir = await TempDir.create("git-status");
  const one = join(dir.path, "one");
  const two = join(dir.path, 'tw"o');
  await makeRepository(one);
  await runProgram("git", ["clone", "--quiet", one, two]);
  await runProgram("git", ["-C", two, "checkout", "--quiet", "--detach"]);
  await runProgram("git", ["-C", two, "remote", "set-url", "origin", "https://me:secret@host.example/livelab"]);
  assert.equal(await readSourceState(two), await readSourceState(one));
});

test("gitstatus is dirty for a changed file and for one that was never added, not for an ignored one", async () => {
  await using dir = await TempDir.create("git-status");
  await makeRepository(dir.path);
  await writeFile(join(dir.path, ".git/info/exclude"), "out\n");
  await writeFile(join(dir.path, "out"), "");
  assert.is((await readSourceState(dir.path)).dirty, false);
  await writeFile(join(dir.path, "new"), "");
  const state = await readSourceState(dir.path);
  assert.is(state.dirty, true);
  assert.is(
    describeSource(formatGitStatus(state)),
    `commit ${state.rev?.slice(0, 12)} with changes that are not committed`,
  );
  await rm(join(dir.path, "new"));
  await writeFile(join(dir.path, "file"), "two\n");
  assert.is((await readSourceState(dir.path)).dirty, true);
});

test("gitstatus names no commit in a tarball, in a tarball inside another repository, and before the first commit", async () => {
  await using dir = await TempDir.create("git-status");
  const tarball = join(dir.path, "livelab");
  await mkdir(tarball);
  const none = { repo: "livelab", branch: null, rev: null, commit_date: null, dirty: false };
  assert.equal(await readSourceState(tarball), none);
  await makeRepository(dir.path);
  assert.equal(await readSourceState(tarball), none);
  await runProgram("git", ["-C", tarball, "init", "--quiet"]);
  assert.equal(await readSourceState(tarball), none);
  assert.is(describeSource(formatGitStatus(none as never)), "no commit");
});

test("gitstatus is of the project, not of the repository whose hook runs livelab, and follows a link to the project", async () => {
  await using dir = await TempDir.create("git-status");
  await makeRepository(join(dir.path, "project"));
  await symlink("project", join(dir.path, "link"));
  const state = await readSourceState(join(dir.path, "project"));
  process.env["GIT_DIR"] = join(dir.path, "elsewhere");
  try {
    assert.equal(await readSourceState(join(dir.path, "link")), state);
  } finally {
    delete process.env["GIT_DIR"];
  }
  assert.is(state.rev?.length, 40);
});

/** Settings of ~/.gitconfig and marks in the index with which git ignores changed files. */
test("gitstatus is dirty for other bytes, modes and links, even if settings or marks hide them from git", async () => {
  const settings = ["core.autocrlf=true", "core.fileMode=false", "core.symlinks=false", "core.ignoreStat=true"];
  const changes: [name: string, change: (file: string) => Promise<unknown>][] = [
    ["other bytes", (file) => writeFile(file, "two\n")],
    ["other line ends", (file) => writeFile(file, "one\r\n")],
    ["another mode", (file) => chmod(file, 0o755)],
    ["a link in its place", (file) => rm(file).then(() => symlink("one\n", file))],
    ["nothing in its place", (file) => rm(file)],
  ];
  for (const mark of ["--assume-unchanged", "--skip-worktree", undefined]) {
    for (const [name, change] of changes) {
      await using dir = await TempDir.create("git-status");
      await makeRepository(dir.path);
      for (const setting of settings) await runProgram("git", ["-C", dir.path, "config", ...setting.split("=")]);
      if (mark !== undefined) await runProgram("git", ["-C", dir.path, "update-index", mark, "file"]);
      assert.is((await readSourceState(dir.path)).dirty, false);
      await change(join(dir.path, "file"));
      assert.is((await readSourceState(dir.path)).dirty, true, `${name}, ${mark}`);
    }
  }
});

test("gitstatus is dirty for a new file, also in the index, and for an ignored file in proto/", async () => {
  await using dir = await TempDir.create("git-status");
  await makeRepository(dir.path);
  await writeFile(join(dir.path, "staged"), "");
  await runProgram("git", ["-C", dir.path, "add", "staged"]);
  assert.is((await readSourceState(dir.path)).dirty, true, "in the index");
  await runProgram("git", ["-C", dir.path, "rm", "--quiet", "-f", "staged"]);
  assert.is((await readSourceState(dir.path)).dirty, false);

  await appendFile(join(dir.path, ".git/info/exclude"), "*.log\n");
  await mkdir(join(dir.path, "proto"));
  await writeFile(join(dir.path, "proto/x.log"), "");
  assert.is((await readSourceState(dir.path)).dirty, true, "in proto/");
  await rm(join(dir.path, "proto"), { recursive: true });
  await writeFile(join(dir.path, "ignored-by-its-user"), "");
  await writeFile(join(dir.path, ".git/global"), "ignored-by-its-user\n");
  await runProgram("git", ["-C", dir.path, "config", "core.excludesFile", join(dir.path, ".git/global")]);
  assert.is((await readSourceState(dir.path)).dirty, true, "ignored by core.excludesFile");
});

test("gitstatus is not dirty for other times of files, or for an index that was never refreshed", async () => {
  await using dir = await TempDir.create("git-status");
  await makeRepository(dir.path);
  await utimes(join(dir.path, "file"), 1, 1);
  assert.is((await readSourceState(dir.path)).dirty, false);
});

test("gitstatus is read in a repository of another user, which git itself refuses", async () => {
  await using dir = await TempDir.create("git-status");
  await makeRepository(dir.path);
  const { rev } = await readSourceState(dir.path);
  process.env["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"; // a hook of git's own tests
  try {
    const refused = await runProgram("git", ["-C", dir.path, "status"]).catch((error: Error) => error.message);
    assert.match(String(refused), "dubious ownership");
    assert.is((await readSourceState(dir.path)).rev, rev);
  } finally {
    delete process.env["GIT_TEST_ASSUME_DIFFERENT_OWNER"];
  }
});

test("gitstatus names no commit and is dirty if git is missing or cannot read the repository", async () => {
  await using dir = await TempDir.create("git-status");
  await makeRepository(dir.path);
  const path = process.env["PATH"];
  process.env["PATH"] = join(dir.path, "nothing");
  try {
    assert.equal(await readSourceState(dir.path), {
      repo: "livelab",
      branch: null,
      rev: null,
      commit_date: null,
      dirty: true,
    });
  } finally {
    process.env["PATH"] = path;
  }
});

test("gitstatus is of the linked worktree in which livelab runs", async () => {
  await using dir = await TempDir.create("git-status");
  await makeRepository(join(dir.path, "one"));
  await runProgram("git", [
    "-C",
    join(dir.path, "one"),
    "worktree",
    "add",
    "--quiet",
    "-b",
    "two",
    join(dir.path, "two"),
  ]);
  assert.equal(await readSourceState(join(dir.path, "two")), await readSourceState(join(dir.path, "one")));
  await writeFile(join(dir.path, "two/file"), "two\n");
  assert.is((await readSourceState(join(dir.path, "two"))).dirty, true);
});

test.run();
