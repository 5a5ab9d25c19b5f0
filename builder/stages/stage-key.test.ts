import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findProjectRoot } from "../../base/project-root.js";
import { TempDir } from "../../base/temp-dir.js";
import { digestOf } from "../profile/digest.js";
import { loadLock } from "../profile/lock.js";
import { loadProfile } from "../profile/profiles.js";
import { type KeyMaterial, stageKey } from "./stage-key.js";
import type { Stage } from "./stages.js";

const test = suite("stage key");
const plain: Stage = { name: "plain", summary: "", sets: [], limitMinutes: 1 };

async function makeMaterial(folder: string): Promise<KeyMaterial> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "lib.sh"), "lib");
  await writeFile(join(folder, "plain.sh"), "plain");
  await writeFile(join(folder, "helper.sh"), "helper");
  const lock = await loadLock(findProjectRoot(), loadProfile("bookworm"));
  return { lock, stageFolder: folder, baseKey: "base", proto: { a: "file 1" }, gitStatus: "[]" };
}

test("a key is the same for the same inputs in any release", async () => {
  await using dir = await TempDir.create("stage-key");
  const material = await makeMaterial(dir.path);
  assert.is(
    await stageKey(plain, "x", "20260101T000000Z", material),
    await stageKey(plain, "x", "20270101T000000Z", material),
  );
});

test("a key changes with each input of the stage", async () => {
  await using dir = await TempDir.create("stage-key");
  const material = await makeMaterial(dir.path);
  const stamp = "20260101T000000Z";
  const rich: Stage = {
    ...plain,
    proto: true,
    stamped: true,
    source: true,
    sets: ["image"],
    npm: true,
    scripts: ["helper"],
    environment: () => ({ A: "1" }),
  };
  const keys = [
    await stageKey(rich, "before", stamp, material),
    await stageKey(rich, "other", stamp, material),
    await stageKey(rich, "before", "20260101T000001Z", material),
    await stageKey(rich, "before", stamp, { ...material, proto: { a: "file 2" } }),
    await stageKey(rich, "before", stamp, { ...material, gitStatus: "[1]" }),
    await stageKey({ ...rich, environment: () => ({ A: "2" }) }, "before", stamp, material),
    await stageKey({ ...rich, sets: ["base"] }, "before", stamp, material),
    await stageKey(rich, undefined, stamp, material),
    await stageKey(rich, undefined, stamp, { ...material, baseKey: "other" }),
  ];
  await writeFile(join(dir.path, "plain.sh"), "changed");
  keys.push(await stageKey(rich, "before", stamp, material));
  await writeFile(join(dir.path, "helper.sh"), "changed");
  keys.push(await stageKey(rich, "before", stamp, material));
  await writeFile(join(dir.path, "lib.sh"), "changed");
  keys.push(await stageKey(rich, "before", stamp, material));
  assert.is(new Set(keys).size, keys.length);
});

test("the key of a stage without proto does not depend on proto", async () => {
  await using dir = await TempDir.create("stage-key");
  const material = await makeMaterial(dir.path);
  const other = { ...material, proto: { a: "file 2" } };
  assert.is(
    await stageKey(plain, "x", "20260101T000000Z", material),
    await stageKey(plain, "x", "20260101T000000Z", other),
  );
});

test("a digest separates names and texts", () => {
  assert.is.not(digestOf({ a: "bc" }), digestOf({ ab: "c" }));
  assert.is.not(digestOf({ a: "b", c: "d" }), digestOf({ a: 'b","c":"d' }));
});

test.run();
