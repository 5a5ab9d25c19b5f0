/** The places of the image's own files, and values that must be the same in several of them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { listTree } from "../../builder/stages/proto-tree.js";

const test = suite("proto: tree");
const proto = join(findProjectRoot(), "proto");
const paths = (await listTree(proto)).map(({ path }) => path);

test("the configuration of systemd is below /usr/lib/systemd, and no file is where datasets are mounted", () => {
  assert.ok(paths.includes("usr/lib/systemd/system/triton-ssh-hostkey.service"), "the tree is not empty");
  const misplaced = /^(etc\/systemd|lib|etc\/sysusers\.d|home|opt|var)\//;
  assert.equal(
    paths.filter((path) => misplaced.test(path)),
    [],
  );
});

test("login shells, other sessions, services and agents all have the same PATH", async () => {
  const pathIn = async (file: string, pattern: RegExp): Promise<string | undefined> =>
    pattern.exec(await readFile(join(proto, file), "utf8"))?.[1];
  const debian = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; // root's in Debian's /etc/profile
  const login = await pathIn("etc/profile.d/triton.sh", /^PATH=\$PATH:(.*)$/m);
  assert.is(login, "/usr/triton/bin:/usr/node/bin");
  for (const [file, pattern] of [
    ["etc/environment", /^PATH=(.*)$/m],
    ["usr/lib/systemd/system.conf.d/triton.conf", /^DefaultEnvironment=PATH=(.*)$/m],
    ["usr/triton/defaults/systemd.env", /^PATH=(.*)$/m],
  ] as const) {
    assert.is(await pathIn(file, pattern), `${debian}:${login}`, file);
  }
});

test.run();
