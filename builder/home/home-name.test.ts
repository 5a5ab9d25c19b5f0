import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LivelabError } from "../../base/livelab-error.js";
import { TempDir } from "../../base/temp-dir.js";
import { thrownBy } from "../../fixtures/vm-deadline.js";
import { openHome } from "./home.js";

const test = suite("name of the home");

test("openHome() rejects a path that is not UTF-8 and makes no other folder instead", async () => {
  await using dir = await TempDir.create("home");
  const root = join(dir.path, Buffer.from([0x68, 0xff]).toString());
  const { kind, message } = (await thrownBy(openHome(root))) as LivelabError;
  assert.is(kind, "host");
  assert.match(message, root);
  assert.match(message, "bytes that are not UTF-8");
  assert.equal(await readdir(dir.path), []);
});

test.run();
