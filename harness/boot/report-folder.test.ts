import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import type { HarnessError } from "../harness-error.js";
import { makeReportFolder } from "./report-folder.js";

const test = suite("report folder");

test("a missing report folder is made, and an existing one is left unchanged", async () => {
  await using dir = await TempDir.create("report-folder");
  const path = join(dir.path, "a/b");
  await makeReportFolder(path);
  await writeFile(join(path, "old"), "");
  await makeReportFolder(path);
  assert.equal(await readdir(path), ["old"]);
});

test("a report folder that cannot be made or written is rejected with a hint", async () => {
  await using dir = await TempDir.create("report-folder");
  await writeFile(join(dir.path, "file"), "");
  for (const path of [join(dir.path, "file/report"), "/proc"]) {
    try {
      await makeReportFolder(path);
      assert.unreachable(path);
    } catch (error) {
      assert.is((error as HarnessError).code, "LOG_NOT_WRITABLE");
      assert.match((error as HarnessError).message, `the report folder ${path} cannot be written: `);
      assert.match((error as HarnessError).hint ?? "", "--report");
    }
  }
});

test.run();
