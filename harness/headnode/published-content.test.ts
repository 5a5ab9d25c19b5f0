import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { openContent } from "./published-content.js";

const test = suite("published content");

test("read() returns any part of a file or of bytes, and a shorter part only at the end", async () => {
  await using dir = await TempDir.create("content");
  const path = join(dir.path, "file");
  const bytes = Buffer.from(Array.from({ length: 3 << 20 }, (_, index) => (index * 7) % 251));
  await writeFile(path, bytes);
  for (const content of [{ kind: "file", path } as const, { kind: "bytes", bytes } as const]) {
    await using open = await openContent(content);
    assert.ok(open);
    assert.is(open.sizeBytes, bytes.length);
    for (const [offset, length] of [
      [0, 512],
      [512, 512],
      [(1 << 20) - 10, 20], // across the end of the read-ahead buffer
      [5, 10], // backwards
      [(2 << 20) + 1, 65_464],
      [bytes.length - 3, 512],
      [bytes.length, 512],
    ] as const) {
      const part = await open.read(offset, length);
      assert.ok(part.equals(bytes.subarray(offset, offset + length)), `${content.kind} ${offset}`);
    }
  }
});

test("openContent() returns undefined for undefined content and for a missing file", async () => {
  assert.is(await openContent(undefined), undefined);
  assert.is(await openContent({ kind: "file", path: "/nonexistent/file" }), undefined);
});

test.run();
