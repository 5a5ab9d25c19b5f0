import { readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../../base/temp-dir.js";
import { HOSTILE_NAME } from "../../../fixtures/hostile-paths.js";
import { thrownBy } from "../../../fixtures/vm-deadline.js";
import { layOutOverlay, MOST_LAYERS } from "./overlay.js";

const test = suite("overlay mounts");

const path = (name: string): string => `/${"long/".repeat(60)}${HOSTILE_NAME}/${name}`;
const folders = (count: number) => ({
  lower: Array.from({ length: count }, (_, index) => path(`layer ${index}`)),
  upper: path("upper"),
  work: path("work"),
});

/** The mount's options: values by name. */
async function optionsIn(folder: string): Promise<Map<string, string>> {
  const options = (await readFile(join(folder, "options"), "utf8")).split(",");
  return new Map(options.map((option) => option.split("=", 2) as [string, string]));
}

test("no option exceeds the kernel's limit of 255 bytes, with any number of layers and with long paths", async () => {
  await using dir = await TempDir.create("overlay-test");
  for (const count of [1, 16, MOST_LAYERS]) {
    const folder = join(dir.path, String(count));
    await layOutOverlay(folder, folders(count), false);
    for (const [name, value] of await optionsIn(folder)) {
      assert.ok(Buffer.byteLength(value ?? "") <= 255, `${name} of ${count} layers`);
    }
  }
  assert.match(
    String(await thrownBy(layOutOverlay(join(dir.path, "more"), folders(MOST_LAYERS + 1), true))),
    "89 layers",
  );
});

test("the names in the options link to the layers, in the same order", async () => {
  await using dir = await TempDir.create("overlay-test");
  const folder = join(dir.path, "mount");
  const overlay = folders(12);
  await layOutOverlay(folder, overlay, true);
  const options = await optionsIn(folder);
  const linked = (name: string | undefined): Promise<string> => readlink(join(folder, name ?? ""));
  assert.equal(await Promise.all((options.get("lowerdir") ?? "").split(":").map(linked)), overlay.lower);
  assert.is(await linked(options.get("upperdir")), overlay.upper);
  assert.is(await linked(options.get("workdir")), overlay.work);
});

test("overlayfs gets the option userxattr only in a user namespace", async () => {
  await using dir = await TempDir.create("overlay-test");
  for (const asRoot of [true, false]) {
    await layOutOverlay(join(dir.path, String(asRoot)), folders(1), asRoot);
    assert.is((await optionsIn(join(dir.path, String(asRoot)))).has("userxattr"), !asRoot);
  }
});

test.run();
