/** Who may use the builder VM's disk. test/machine/vm-stage.test.ts starts machines. */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LivelabError } from "../../../base/livelab-error.js";
import { TempDir } from "../../../base/temp-dir.js";
import { importLine, startProgram } from "../../../fixtures/other-process.js";
import { openToyBuildContext } from "../../../fixtures/toy-stage.js";
import { thrownBy } from "../../../fixtures/vm-deadline.js";

const test = suite("the builder VM's disk");

test("another process's use of the disk is reported with its pid; builds of one process, one after the other, may all use it", async () => {
  await using dir = await TempDir.create("vm-lock");
  /** Takes the disk, to remove it, as gc does. */
  const takeDisk = async (): Promise<number> =>
    (await openToyBuildContext(dir.path, { machine: "vm" })).machines.collectGarbage([]);
  const { home } = await openToyBuildContext(dir.path, { machine: "vm" });
  {
    await using other = await startProgram(`${importLine("OwnerLock", "../../home/owner.js", import.meta.url)}
      await OwnerLock.take(${JSON.stringify(join(home.vm, "lock"))}, "the disk");
      console.log(process.pid);
      setInterval(() => {}, 1000);`);
    const error = (await thrownBy(takeDisk())) as LivelabError;
    assert.is(error.code, "BUSY");
    assert.match(error.message, `the builder VM is in use by another livelab (pid ${other.line})`);
  }
  assert.equal([await takeDisk(), await takeDisk()], [0, 0]);
});

test.run();
