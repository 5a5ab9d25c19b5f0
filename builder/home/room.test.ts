import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import type { BuilderError } from "../builder-error.js";
import { assertFreeSpace } from "./room.js";

const test = suite("room");

test("too little space is reported with free space, path and the command to resume", async () => {
  await using dir = await TempDir.create("room");
  await assertFreeSpace(dir.path, 1, "20260102T030405Z");
  const error = (await thrownBy(assertFreeSpace(dir.path, 2 ** 60, "20260102T030405Z"))) as BuilderError;
  assert.is(error.code, "HOST_DISK_FULL");
  assert.match(error.message, /^[\d.]+ [KMGT]iB free on the disk that holds .*, .* needed$/);
  assert.match(error.message, dir.path);
  assert.match(error.hint ?? "", "livelab build -r 20260102T030405Z");
});

test.run();
