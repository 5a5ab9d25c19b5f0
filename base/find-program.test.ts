import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withVariables } from "../fixtures/with-variables.js";
import { findProgram } from "./find-program.js";
import { TempDir } from "./temp-dir.js";

const test = suite("find program");

test("a program is the first file in the PATH that may be run, also through a link; folders and other files do not count", async () => {
  await using dir = await TempDir.create("find");
  const folders = ["one", "two", "three"].map((name) => join(dir.path, name));
  for (const folder of folders) await mkdir(folder);
  const [one = "", two = "", three = ""] = folders;
  await mkdir(join(one, "tool"));
  await writeFile(join(two, "tool"), "");
  await writeFile(join(three, "real"), "#!/bin/sh\n");
  await chmod(join(three, "real"), 0o755);
  await symlink("real", join(three, "tool"));
  await withVariables({ PATH: [join(dir.path, "none"), ...folders].join(":") }, async () => {
    assert.is(await findProgram("tool"), join(three, "tool"));
    assert.is(await findProgram("absent"), undefined);
    assert.is(await findProgram(join(two, "tool")), undefined);
    assert.is(await findProgram(relative(process.cwd(), join(three, "real"))), join(three, "real"));
  });
});

test.run();
