import { lstat, readdir, readFile, readlink, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { UsageError } from "../../base/livelab-error.js";
import { silentProgress } from "../../base/progress/progress.js";
import { runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { type SmallPackage, smallLock, smallPackages } from "../../fixtures/small-lock.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import type { InputError } from "../builder-error.js";
import type { Lock } from "../profile/lock.js";
import { exportInputs, importInputs } from "./bundle.js";
import { Store } from "./store.js";

const test = suite("bundle");

/** A bundle of three packages, and an empty store to import into. */
async function scene() {
  const home = await TempDir.create("bundle-test");
  const packages = smallPackages(["apt", "jq", "curl"]);
  const lock = smallLock(packages);
  const from = await Store.open(join(home.path, "from"));
  await fill(from, lock, packages);
  const file = join(home.path, "inputs.tar");
  await exportInputs({ lock, store: from, file, progress: silentProgress });
  const to = await Store.open(join(home.path, "to"));
  return {
    home: home.path,
    packages,
    lock,
    from,
    to,
    file,
    import: (changes: { lock?: Lock; file?: string } = {}) =>
      importInputs({ lock, store: to, file, progress: silentProgress, ...changes }),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

async function fill(store: Store, lock: Lock, packages: readonly SmallPackage[]): Promise<void> {
  for (const { name, digest } of lock.set("image").packages) {
    const bytes = packages.find((small) => small.name === name)?.bytes;
    await store.add(digest, Readable.from([bytes]), name, "a test");
  }
}

test(
  "import fills an empty store with every file of the lock, and leaves no other file",
  within(5_000, async () => {
    await using here = await scene();
    await here.import();
    for (const { digest } of here.lock.files())
      assert.equal(await readFile(here.to.pathOf(digest)), await readFile(here.from.pathOf(digest)));
    for (const store of [here.from, here.to]) assert.equal(await readdir(join(store.root, "tmp")), []);
  }),
);

test(
  "export writes the same bundle for the same lock",
  within(5_000, async () => {
    await using here = await scene();
    const again = join(here.home, "again.tar");
    await exportInputs({ lock: here.lock, store: here.to, file: again, progress: silentProgress }).catch(() => {});
    await here.import();
    await exportInputs({ lock: here.lock, store: here.to, file: again, progress: silentProgress });
    assert.equal(await readFile(again), await readFile(here.file));
  }),
);

test(
  "export fails if the store lacks a file, and keeps an existing bundle",
  within(5_000, async () => {
    await using here = await scene();
    await writeFile(here.file, "an older bundle");
    const request = { lock: here.lock, store: here.to, file: here.file, progress: silentProgress };
    const error = (await thrownBy(exportInputs(request))) as InputError;
    assert.is(error.code, "NOT_IN_STORE");
    assert.is(error.hint, "fetch them: livelab inputs fetch");
    assert.is(await readFile(here.file, "utf8"), "an older bundle");
  }),
);

test(
  "import rejects a bundle truncated at any point, and leaves no bad file in the store",
  within(10_000, async () => {
    await using here = await scene();
    const whole = (await readFile(here.file)).length;
    for (const size of [0, 300, 1_000, 1_536, 30_000, whole - 20_000]) {
      const cut = join(here.home, `cut-${size}.tar`);
      await writeFile(cut, await readFile(here.file));
      await truncate(cut, size);
      const error = (await thrownBy(here.import({ file: cut }))) as InputError;
      assert.is(error.code, "BAD_BUNDLE", `${size}: ${error.message}`);
      assert.match(error.message, cut);
    }
    assert.equal(await readdir(join(here.to.root, "tmp")), []);
  }),
);

test(
  "import names an altered file and does not store it",
  within(5_000, async () => {
    await using here = await scene();
    const [apt] = here.lock.set("image").packages;
    const bytes = await readFile(here.file);
    const at = bytes.indexOf(here.packages.find(({ name }) => name === "apt")?.bytes ?? Buffer.from("absent"));
    bytes.writeUInt8(bytes.readUInt8(at + 100) ^ 1, at + 100);
    await writeFile(here.file, bytes);
    const error = (await thrownBy(here.import())) as InputError;
    assert.is(error.code, "BAD_BUNDLE");
    assert.match(error.message, "is truncated or altered: apt 1.0: wrong digest");
    assert.not(apt !== undefined && (await here.to.has(apt.digest)));
  }),
);

test(
  "export replaces a file through a link and keeps the link, and refuses a folder and a pipe",
  within(5_000, async () => {
    await using here = await scene();
    const exportTo = (file: string) =>
      exportInputs({ lock: here.lock, store: here.from, file, progress: silentProgress });
    const link = join(here.home, "link");
    await writeFile(join(here.home, "file"), "old");
    await symlink("file", link);
    await exportTo(link);
    assert.is(await readlink(link), "file");
    assert.equal(await readFile(join(here.home, "file")), await readFile(here.file));

    const pipe = join(here.home, "pipe");
    await runProgram("mkfifo", [pipe]);
    for (const file of [here.home, pipe]) {
      const error = (await thrownBy(exportTo(file))) as UsageError;
      assert.equal([error.kind, error.code], ["usage", "NOT_A_FILE"]);
    }
    assert.ok((await lstat(pipe)).isFIFO());
  }),
);

test(
  "import rejects a file that is not a bundle, and a missing file",
  within(5_000, async () => {
    await using here = await scene();
    await writeFile(here.file, Buffer.alloc(100_000, "no tar"));
    assert.is(((await thrownBy(here.import())) as InputError).code, "BAD_BUNDLE");
    const error = (await thrownBy(here.import({ file: "/nonexistent.tar" }))) as InputError;
    assert.is(error.code, "BAD_BUNDLE");
    assert.match(error.message, "/nonexistent.tar: cannot be read");
  }),
);

test(
  "import rejects a bundle for another lock, and names a file that it lacks",
  within(5_000, async () => {
    await using here = await scene();
    const other = smallLock([...here.packages, ...smallPackages(["vim"])]);
    const error = (await thrownBy(here.import({ lock: other }))) as InputError;
    assert.is(error.code, "BAD_BUNDLE");
    assert.match(error.message, "was made for another lock (profile bookworm): it lacks vim 1.0");
    assert.ok(await here.to.has(here.lock.files()[0]?.digest ?? { algorithm: "sha256", hex: "" }));
  }),
);

test.run();
