import { createHash } from "node:crypto";
import { appendFile, link, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../../base/temp-dir.js";
import { thrownBy } from "../../../fixtures/vm-deadline.js";
import { copyFound, findInLayers } from "./copy-layers.js";

const test = suite("copying from layers");
const never = new AbortController().signal;

/** Writes a file and describes it as a machine that shows it would. */
async function write(layer: string, path: string, content: string | Buffer) {
  const file = join(layer, "image", path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  const { size, ino } = await stat(file, { bigint: true });
  return { path, bytes: Number(size), inode: String(ino) };
}

test("a file is found in the topmost layer that has it", async () => {
  await using dir = await TempDir.create("copy-layers");
  const [upper, lower] = [join(dir.path, "upper"), join(dir.path, "lower")];
  const below = await write(lower, "below", "one");
  await write(lower, "sub/both", "old");
  const both = await write(upper, "sub/both", "new");
  assert.equal(await findInLayers([below, both], "image", [upper, lower]), [
    { path: "below", bytes: 3, source: join(lower, "image/below") },
    { path: "sub/both", bytes: 3, source: join(upper, "image/sub/both") },
  ]);
});

test("nothing is found if one file is in no layer, or if the machine sees another one than the topmost", async () => {
  await using dir = await TempDir.create("copy-layers");
  const [upper, lower] = [join(dir.path, "upper"), join(dir.path, "lower")];
  const here = await write(upper, "here", "one");
  const hidden = await write(lower, "both", "old");
  await write(upper, "both", "new");
  assert.is(await findInLayers([here, hidden], "image", [upper, lower]), undefined);
  assert.is(await findInLayers([here, { path: "gone", bytes: 1, inode: "1" }], "image", [upper, lower]), undefined);
});

test("copies and digests are those of the files, with any size, in subfolders, and while the layer has hard links", async () => {
  await using dir = await TempDir.create("copy-layers");
  const [layer, target] = [join(dir.path, "layer"), join(dir.path, "target")];
  await mkdir(target);
  const contents: Record<string, Buffer> = {
    empty: Buffer.alloc(0),
    "sub/one byte": Buffer.from("x"),
    "sub/deeper/whole reads": Buffer.alloc(2 * 2 ** 20, "ab"),
    more: Buffer.alloc(3 * 2 ** 20 + 1, "abc"),
  };
  const listed = await Promise.all(Object.entries(contents).map(([path, content]) => write(layer, path, content)));
  await link(join(layer, "image/more"), join(layer, "image/same"));
  const found = (await findInLayers(listed, "image", [layer])) ?? [];
  const copied = await copyFound(found, target, never);
  assert.is(copied.length, listed.length);
  for (const { path, bytes, sha256 } of copied) {
    const copy = join(target, path);
    assert.ok((await readFile(copy)).equals(contents[path] as Buffer), path);
    assert.is(bytes, contents[path]?.length, path);
    assert.is(
      sha256,
      createHash("sha256")
        .update(contents[path] as Buffer)
        .digest("hex"),
      path,
    );
    await appendFile(copy, "edited");
    assert.ok((await readFile(join(layer, "image", path))).equals(contents[path] as Buffer), `${path} in the layer`);
  }
  assert.equal(
    (await copyFound(found, undefined, never)).map(({ sha256 }) => sha256).sort(),
    copied.map(({ sha256 }) => sha256).sort(),
  );
});

test("an aborted copy fails with the reason of its signal, and a file that cannot be written with its own error", async () => {
  await using dir = await TempDir.create("copy-layers");
  const listed = [
    await write(dir.path, "one", "1"),
    await write(dir.path, "two", "2"),
    await write(dir.path, "three", "3"),
  ];
  const found = (await findInLayers(listed, "image", [dir.path])) ?? [];
  const reason = new Error("it took too long");
  assert.is(await thrownBy(copyFound(found, dir.path, AbortSignal.abort(reason))), reason);
  const target = join(dir.path, "target");
  await mkdir(join(target, "one"), { recursive: true });
  const error = (await thrownBy(copyFound(found, target, never))) as NodeJS.ErrnoException;
  assert.is(error.code, "EISDIR");
  assert.equal(await readdir(join(target, "one")), []);
});

test.run();
