import { chmod, cp, lstat, mkdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import type { InputError } from "../builder-error.js";
import { readSourceState } from "../release/git-status.js";
import { checkCheckout } from "./checkout.js";

const test = suite("the checkout");
/** Runs git with these settings, as from a ~/.gitconfig. */
const git = async (folder: string, words: readonly string[], settings: readonly string[] = []): Promise<void> => {
  const who = ["user.name=A B", "user.email=a@b.example"];
  const config = [...who, ...settings].flatMap((setting) => ["-c", setting]);
  await runProgram("git", [...config, "-C", folder, ...words]);
};

/** Makes a small project: scripts, text and a link for the image, and a shell file of the builder. */
async function makeProject(folder: string): Promise<string> {
  for (const part of ["proto/usr/bin", "proto/etc", "builder/stages", "harness", "vm"]) {
    await mkdir(join(folder, part), { recursive: true });
  }
  for (const name of ["one", "two"]) {
    await writeFile(join(folder, "proto/usr/bin", name), "#!/bin/sh\ntrue\n");
    await chmod(join(folder, "proto/usr/bin", name), 0o755);
  }
  await writeFile(join(folder, "proto/etc/hosts"), "127.0.0.1 localhost\n");
  await writeFile(join(folder, "proto/etc/motd"), "hello\n");
  await symlink("one", join(folder, "proto/usr/bin/alias"));
  await symlink("/dev/null", join(folder, "proto/etc/masked"));
  for (const name of ["builder/stages/toy.sh", "harness/receiver.sh", "vm/serve.sh"]) {
    await writeFile(join(folder, name), "#!/bin/sh\ntrue\n");
  }
  return folder;
}

async function makeRepository(folder: string): Promise<string> {
  await makeProject(folder);
  await git(folder, ["init", "--quiet"]);
  await git(folder, ["add", "."]);
  await git(folder, ["commit", "--quiet", "--message", "one"]);
  return folder;
}

const refusalOf = (folder: string): Promise<InputError> =>
  checkCheckout(folder).then(
    () => assert.unreachable("checkCheckout() accepted the files") as never,
    (error: InputError) => error,
  );

test("a clone and an unpacked archive are accepted as committed", async () => {
  await using dir = await TempDir.create("checkout");
  await checkCheckout(await makeRepository(join(dir.path, "clone")));
  await checkCheckout(await makeProject(join(dir.path, "archive")));
});

test("a checkout whose line ends core.autocrlf changed is refused, and its gitstatus is dirty", async () => {
  await using dir = await TempDir.create("checkout");
  const origin = await makeRepository(join(dir.path, "origin"));
  const clone = join(dir.path, "clone");
  await git(dir.path, ["clone", "--quiet", "-c", "core.autocrlf=true", origin, clone]);
  const error = await refusalOf(clone);
  assert.is(error.code, "BAD_CHECKOUT");
  assert.match(error.message, "lines end in CRLF");
  assert.match(error.message, /proto\/etc\/hosts.* and 2 more/);
  assert.match(error.hint ?? "", "core.autocrlf=false");
  assert.is((await readSourceState(clone)).dirty, true);
});

test("livelab's .gitattributes keeps the committed line ends under any core.autocrlf", async () => {
  await using dir = await TempDir.create("checkout");
  const origin = await makeProject(join(dir.path, "origin"));
  await cp(".gitattributes", join(origin, ".gitattributes"));
  await git(origin, ["init", "--quiet"]);
  await git(origin, ["add", "."]);
  await git(origin, ["commit", "--quiet", "--message", "one"]);
  for (const setting of ["core.autocrlf=true", "core.autocrlf=input", "core.eol=crlf"]) {
    const clone = join(dir.path, setting);
    await git(dir.path, ["clone", "--quiet", "-c", setting, origin, clone]);
    await checkCheckout(clone);
    assert.is((await readSourceState(clone)).dirty, false, setting);
  }
});

test("a shell file with CRLF from an archive or an editor is refused, one committed with CRLF is accepted", async () => {
  await using dir = await TempDir.create("checkout");
  const folder = await makeProject(join(dir.path, "archive"));
  await writeFile(join(folder, "builder/stages/toy.sh"), "#!/bin/sh\r\ntrue\r\n");
  assert.match((await refusalOf(folder)).message, "builder/stages/toy.sh");
  await writeFile(join(folder, "builder/stages/toy.sh"), "#!/bin/sh\ntrue\n");
  await writeFile(join(folder, "proto/etc/for-windows.txt"), "hello\r\n");
  assert.match((await refusalOf(folder)).message, "proto/etc/for-windows.txt");
  await git(folder, ["init", "--quiet"]);
  await git(folder, ["-c", "core.autocrlf=false", "add", "."]);
  await git(folder, ["commit", "--quiet", "--message", "on purpose"]);
  await checkCheckout(folder);
});

test("a checkout whose links core.symlinks=false made plain files is refused, and the hint's command restores them", async () => {
  await using dir = await TempDir.create("checkout");
  const origin = await makeRepository(join(dir.path, "origin"));
  const clone = join(dir.path, "clone");
  await git(dir.path, ["clone", "--quiet", "-c", "core.symlinks=false", origin, clone]);
  assert.ok((await lstat(join(clone, "proto/usr/bin/alias"))).isFile());
  const error = await refusalOf(clone);
  assert.match(error.message, "proto/etc/masked, proto/usr/bin/alias");
  assert.match(error.message, "links are plain files");
  assert.is((await readSourceState(clone)).dirty, true);
  const [, command = ""] = /(git config .*)$/.exec(error.hint ?? "") ?? [];
  await runProgram("sh", ["-c", command], { cwd: clone });
  await checkCheckout(clone);
  assert.is(await readlink(join(clone, "proto/usr/bin/alias")), "one");
  assert.is((await readSourceState(clone)).dirty, false);
});

test("plain files in place of links are refused also without git", async () => {
  await using dir = await TempDir.create("checkout");
  const folder = await makeProject(join(dir.path, "archive"));
  for (const [path, target] of [
    ["proto/usr/bin/alias", "one"],
    ["proto/etc/masked", "/dev/null"],
  ] as const) {
    await rm(join(folder, path));
    await writeFile(join(folder, path), target);
  }
  assert.match((await refusalOf(folder)).message, "proto/etc/masked, proto/usr/bin/alias");
});

test("a deliberate file in place of a link, or one changed mode, is accepted, and gitstatus is dirty", async () => {
  await using dir = await TempDir.create("checkout");
  const folder = await makeRepository(join(dir.path, "clone"));
  await chmod(join(folder, "proto/usr/bin/two"), 0o644);
  await checkCheckout(folder);
  assert.is((await readSourceState(folder)).dirty, true);
  await chmod(join(folder, "proto/usr/bin/two"), 0o755);
  await rm(join(folder, "proto/usr/bin/alias"));
  await writeFile(join(folder, "proto/usr/bin/alias"), "#!/bin/sh\nexec one\n");
  await checkCheckout(folder);
  assert.is((await readSourceState(folder)).dirty, true);
});

test("executable bits that are missing or set on every file are refused, with and without git", async () => {
  await using dir = await TempDir.create("checkout");
  for (const make of [makeRepository, makeProject]) {
    const folder = await make(join(dir.path, make.name));
    for (const name of ["one", "two"]) await chmod(join(folder, "proto/usr/bin", name), 0o644);
    assert.match((await refusalOf(folder)).message, "executable bits are not as committed: proto/usr/bin/one");
    for (const name of ["usr/bin/one", "usr/bin/two", "etc/hosts", "etc/motd"]) {
      await chmod(join(folder, "proto", name), 0o777);
    }
    assert.match((await refusalOf(folder)).message, "proto/etc/hosts, proto/etc/motd");
  }
});

test("one wrong executable bit is refused if core.fileMode=false hides it from git, and the hint's command restores it", async () => {
  await using dir = await TempDir.create("checkout");
  const folder = await makeRepository(join(dir.path, "clone"));
  await git(folder, ["config", "core.fileMode", "false"]);
  await checkCheckout(folder);
  await chmod(join(folder, "proto/usr/bin/two"), 0o644);
  const error = await refusalOf(folder);
  assert.match(error.message, "proto/usr/bin/two");
  assert.is((await readSourceState(folder)).dirty, true);
  const [, command = ""] = /(git config .*)$/.exec(error.hint ?? "") ?? [];
  await runProgram("sh", ["-c", command], { cwd: folder });
  await checkCheckout(folder);
  assert.is((await lstat(join(folder, "proto/usr/bin/two"))).mode & 0o111, 0o111);
});

test("files that a sparse checkout leaves out are refused, and the hint's command restores them", async () => {
  await using dir = await TempDir.create("checkout");
  for (const leftOut of ["builder/stages", "proto/usr", "proto"]) {
    const folder = await makeRepository(join(dir.path, leftOut.replace("/", "-")));
    await git(folder, ["sparse-checkout", "set", "--no-cone", "/*", `!/${leftOut}`]);
    const error = await refusalOf(folder);
    assert.is(error.code, "BAD_CHECKOUT");
    assert.match(error.message, `a sparse checkout leaves out ${leftOut}/`);
    const [, command = ""] = /(git sparse-checkout .*)$/.exec(error.hint ?? "") ?? [];
    await runProgram("sh", ["-c", command], { cwd: folder });
    await checkCheckout(folder);
    assert.is((await readSourceState(folder)).dirty, false);
  }
});

test("a sparse checkout with all files of the build is accepted, and so is a skip-worktree mark on a file that exists", async () => {
  await using dir = await TempDir.create("checkout");
  const folder = await makeProject(join(dir.path, "clone"));
  await mkdir(join(folder, "docs"));
  await writeFile(join(folder, "docs/build.md"), "hello\n");
  await git(folder, ["init", "--quiet"]);
  await git(folder, ["add", "."]);
  await git(folder, ["commit", "--quiet", "--message", "one"]);
  await git(folder, ["update-index", "--skip-worktree", "builder/stages/toy.sh"]);
  await checkCheckout(folder);
  await git(folder, ["sparse-checkout", "set", "--no-cone", "/*", "!/docs"]);
  await checkCheckout(folder);
});

test("a missing shell file is refused until it is restored or removed from the index; a missing file of proto/ makes gitstatus dirty", async () => {
  await using dir = await TempDir.create("checkout");
  const folder = await makeRepository(join(dir.path, "clone"));
  await rm(join(folder, "proto/etc/motd"));
  await checkCheckout(folder);
  assert.is((await readSourceState(folder)).dirty, true);
  await rm(join(folder, "builder/stages/toy.sh"));
  const error = await refusalOf(folder);
  assert.is(error.code, "BAD_CHECKOUT");
  assert.match(error.message, "files are missing: builder/stages/toy.sh");
  const [, command = ""] = /(git restore .*)$/.exec(error.hint ?? "") ?? [];
  await runProgram("sh", ["-c", command], { cwd: folder });
  await checkCheckout(folder);
  await rm(join(folder, "builder/stages/toy.sh"));
  await git(folder, ["rm", "--quiet", "--cached", "builder/stages/toy.sh"]);
  await checkCheckout(folder);
});

test("a clone of livelab itself is accepted", async () => {
  await checkCheckout(".");
  assert.not.match(await readFile("builder/machines/sandbox/namespace-trial.sh", "utf8"), "\r");
});

test.run();
