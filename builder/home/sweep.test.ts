import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { importLine, startProgram } from "../../fixtures/other-process.js";
import { within } from "../../fixtures/vm-deadline.js";
import { openHome } from "./home.js";
import { OwnerLock, startTimeOf } from "./owner.js";
import { savedStates, sweepHome, sweepHomeAlone } from "./sweep.js";

const test = suite("sweep");

test(
  "a sweep covers every folder of the home that can contain drafts",
  within(20_000, async () => {
    await using dir = await TempDir.create("sweep");
    const home = await openHome(dir.path);
    const folders = [
      ...[home.layers, home.machines, home.bases, home.vm, savedStates(home)],
      ...[join(home.store, "tmp"), join(home.store, "artifacts/key"), join(home.builds, "20260102T030405Z")],
    ];
    for (const folder of folders) await mkdir(folder, { recursive: true });
    await using killed = await startProgram(`${importLine("Draft", "./draft.js", import.meta.url)}
      import { writeFileSync } from "node:fs";
      for (const folder of ${JSON.stringify(folders)}) writeFileSync((await Draft.begin(folder + "/thing")).path, "half");
      console.log("ready");
      setInterval(() => {}, 1000);`);
    await sweepHome(home, true);
    for (const folder of folders)
      assert.is((await readdir(folder)).filter((name) => name !== "states").length, 1, folder);
    await killed.kill();
    await sweepHome(home, true);
    for (const folder of folders)
      assert.equal(
        (await readdir(folder)).filter((name) => name !== "states"),
        [],
        folder,
      );
  }),
);

test(
  "only gc removes drafts of former versions, and keeps those of running processes",
  within(10_000, async () => {
    await using dir = await TempDir.create("sweep");
    const home = await openHome(dir.path);
    const running = `sandbox-1.${process.pid}-${startTimeOf(process.pid)}`;
    const dead = [`sandbox-2.${process.pid}-1`, "in-use.1-1"];
    for (const name of [running, ...dead]) await mkdir(join(home.machines, name));
    await writeFile(join(home.vm, "pool.raw"), "");
    await writeFile(join(home.vm, `pool.raw.${process.pid}-1`), "");
    await sweepHome(home, true);
    assert.equal((await readdir(home.machines)).sort(), [running, ...dead].sort());
    await sweepHomeAlone(home, true);
    assert.equal(await readdir(home.machines), [running]);
    assert.equal((await readdir(home.vm)).sort(), ["pool.raw", "states"]);
  }),
);

test(
  "gc removes free lock files, and keeps held ones and files of the user",
  within(10_000, async () => {
    await using dir = await TempDir.create("sweep");
    const home = await openHome(dir.path);
    await writeFile(join(home.locks, "0".repeat(64)), "");
    await writeFile(join(home.locks, "important.txt"), "mine");
    const held = "1".repeat(64);
    await using _held = await OwnerLock.take(join(home.locks, held), "it");
    await sweepHomeAlone(home, true);
    assert.equal((await readdir(home.locks)).sort(), [held, "important.txt"]);
  }),
);

test.run();
