import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRefusal, ownerOf, whyRefused } from "./refused-path.js";
import { TempDir } from "./temp-dir.js";
import { describeUser } from "./user-name.js";

const test = suite("refused paths");
const errno = (code: string, path?: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${code}: what libuv says`), { code, ...(path !== undefined && { path }) });
const us = process.geteuid?.() ?? -1;

test("isRefusal() accepts errors of permissions and read-only file systems, and no others", () => {
  for (const code of ["EACCES", "EPERM", "EROFS"]) assert.ok(isRefusal(errno(code, "/x")), code);
  for (const other of [errno("ENOENT", "/x"), errno("EACCES"), new Error("EACCES"), undefined, "EACCES"]) {
    assert.not.ok(isRefusal(other));
  }
});

test("whyRefused() names the owner of the nearest existing folder, and the user of livelab", async () => {
  await using dir = await TempDir.create("refused");
  const path = join(dir.path, "missing/deeper");
  const owner = `${dir.path} belongs to ${describeUser(us)}, and livelab runs as ${describeUser(us)}`;
  assert.is(whyRefused(path, errno("EACCES")), `permission denied; ${owner}`);
  assert.is(whyRefused(path, errno("EPERM")), `operation not permitted; ${owner}`);
  assert.is(whyRefused(path, errno("EROFS")), "its file system is read-only");
  assert.is(whyRefused(path, errno("ESTALE")), "ESTALE: what libuv says");
});

test("whyRefused() names the missing target of a dangling link", async () => {
  await using dir = await TempDir.create("refused");
  await symlink("nowhere", join(dir.path, "link"));
  const why = whyRefused(join(dir.path, "link"), errno("EEXIST"));
  assert.is(why, `${dir.path}/link is a link to nowhere, which does not exist`);
});

test("ownerOf() is undefined for a path that is missing or cannot be accessed", async () => {
  await using dir = await TempDir.create("refused");
  await mkdir(join(dir.path, "folder"));
  await writeFile(join(dir.path, "file"), "");
  assert.is(ownerOf(join(dir.path, "folder")), us);
  for (const name of ["missing", "file/below", "x".repeat(300)]) assert.is(ownerOf(join(dir.path, name)), undefined);
});

test.run();
