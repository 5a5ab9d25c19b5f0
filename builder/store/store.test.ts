import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { TempDir } from "../../base/temp-dir.js";
import { sha256Of } from "../../fixtures/misbehaving-mirror.js";
import { importLine, namespaceRefusal, programArgv, startProgram } from "../../fixtures/other-process.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../../test/runner/skip-test.js";
import { InputError } from "../builder-error.js";
import { Store } from "./store.js";

const test = suite("store");
const bytes = Buffer.from("0123456789".repeat(1000));
const digest = sha256Of(bytes);

async function* chunks(...parts: Buffer[]): AsyncGenerator<Buffer> {
  yield* parts;
}

/** Runs a short program that uses a store. @returns a function that kills it, once it has printed "ready" */
async function inAnotherProcess(program: string) {
  const imports = `import { Store } from ${JSON.stringify(new URL("./store.js", import.meta.url).href)};`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", imports + program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const kill = async (): Promise<void> => {
    if (child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  return { kill, [Symbol.asyncDispose]: kill };
}

test(
  "the store keeps complete files under their digest, read-only, and no other files",
  within(5_000, async () => {
    await using home = await TempDir.create("store-test");
    const store = await Store.open(join(home.path, "store"));
    assert.not(await store.has(digest));
    await store.add(digest, chunks(bytes.subarray(0, 10), bytes.subarray(10)), "thing", "a test");
    assert.ok(await store.has(digest, bytes.length));
    assert.is(store.pathOf(digest), join(store.root, "sha256", digest.hex.slice(0, 2), digest.hex));
    assert.equal(await readFile(store.pathOf(digest)), bytes);
    assert.is((await stat(store.pathOf(digest))).mode & 0o777, 0o444);
    assert.equal(await readdir(join(store.root, "tmp")), []);
  }),
);

test(
  "add() throws for an input file that cannot be opened, and the process does not end",
  within(5_000, async () => {
    await using home = await TempDir.create("store-test");
    const store = await Store.open(home.path);
    const error = await thrownBy(store.add(digest, createReadStream(join(home.path, "none")), "thing", "a test"));
    assert.is((error as NodeJS.ErrnoException).code, "ENOENT");
    assert.not(await store.has(digest));
    assert.equal(await readdir(join(store.root, "tmp")), []);
  }),
);

test(
  "add() keeps no bytes with a wrong digest, and reports the expected and the actual digest",
  within(5_000, async () => {
    await using home = await TempDir.create("store-test");
    const store = await Store.open(home.path);
    const error = (await thrownBy(store.add(digest, chunks(Buffer.from("x")), "apt 2.6.1", "a test"))) as InputError;
    assert.is(error.code, "WRONG_DIGEST");
    for (const part of ["apt 2.6.1", "from a test", digest.hex, sha256Of(Buffer.from("x")).hex])
      assert.match(error.message, part);
    assert.not(await store.has(digest));
    assert.equal(await readdir(join(store.root, "tmp")), []);
  }),
);

test(
  "has() treats a file of another size as missing",
  within(5_000, async () => {
    await using home = await TempDir.create("store-test");
    const store = await Store.open(home.path);
    await store.add(digest, chunks(bytes), "thing", "a test");
    await truncate(store.pathOf(digest), 5).catch(() => {}); // like a crash; fails for users other than root, who cannot write the file
    if ((await stat(store.pathOf(digest))).size === 5) assert.not(await store.has(digest, bytes.length));
    assert.not(await store.has(digest, bytes.length + 1));
  }),
);

test(
  "a killed process leaves no incomplete file under its final name, and the next one resumes",
  within(10_000, async () => {
    await using home = await TempDir.create("store-test");
    await using child = await inAnotherProcess(`
      const store = await Store.open(${JSON.stringify(home.path)});
      const partial = await store.begin(${JSON.stringify(digest)});
      await partial.write(Buffer.from(${JSON.stringify(bytes.toString("latin1", 0, 4000))}));
      console.log("ready");
      setInterval(() => {}, 1000);
    `);
    const store = await Store.open(home.path);
    {
      await using other = await store.begin(digest);
      assert.is(other.size, 0, "a running process keeps its partial file");
    }
    await child.kill();
    assert.not(await store.has(digest));
    await using partial = await store.begin(digest);
    assert.is(partial.size, 4000);
    await partial.write(bytes.subarray(4000));
    await partial.commit("thing", "two processes");
    assert.equal(await readFile(store.pathOf(digest)), bytes);
    assert.equal(await readdir(join(store.root, "tmp")), []);
  }),
);

const elsewhere =
  "a process in other PID, mount and network namespaces keeps its partial file until it ends; then begin() resumes it";
testUnless(
  test,
  elsewhere,
  await namespaceRefusal(),
  within(20_000, async () => {
    await using home = await TempDir.create("store-test");
    await using other = await startProgram(
      `${importLine("Store", "./store.js", import.meta.url)}
        const store = await Store.open(${JSON.stringify(home.path)});
        const partial = await store.begin(${JSON.stringify(digest)});
        await partial.write(Buffer.from(${JSON.stringify(bytes.toString("latin1", 0, 4000))}));
        console.log("ready");
        setInterval(() => {}, 1000);`,
      true,
    );
    const store = await Store.open(home.path);
    {
      await using mine = await store.begin(digest);
      assert.is(mine.size, 0);
    }
    await other.kill();
    await using partial = await store.begin(digest);
    assert.is(partial.size, 4000);
    await partial.write(bytes.subarray(4000));
    await partial.commit("thing", "two namespaces");
    assert.equal(await readdir(join(store.root, "tmp")), []);
  }),
);

test(
  "begin() skips a partial file that is read-only, and one that cannot be opened",
  within(5_000, async () => {
    await using home = await TempDir.create("store-test");
    const store = await Store.open(home.path);
    const left = join(store.root, "tmp", `sha256-${digest.hex}.part`);
    await writeFile(left, bytes.subarray(0, 10), { mode: 0o444 });
    await store.add(digest, chunks(bytes), "thing", "a test");
    assert.equal(await readFile(store.pathOf(digest)), bytes);
  }),
);

test(
  "many processes that begin one file at once, some killed, never write into the same partial file",
  within(60_000, async () => {
    await using home = await TempDir.create("store-test");
    // Each process writes the right bytes in pieces, so two writers of one file would cause a wrong digest.
    const writer = `${importLine("Store", "./store.js", import.meta.url)}
      const store = await Store.open(${JSON.stringify(home.path)});
      const bytes = Buffer.from("0123456789".repeat(1000));
      const last = process.argv[1] === "hangs" ? 5 : 10;
      for (let turn = 0; turn < 5; turn++) {
        const partial = await store.begin(${JSON.stringify(digest)});
        while (partial.size < (last * bytes.length) / 10) {
          await partial.write(bytes.subarray(partial.size, partial.size + bytes.length / 10));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        if (last === 5) {
          console.log("hangs");
          await new Promise(() => setInterval(() => {}, 1000));
        }
        await partial.commit("thing", "many");
      }`;
    const runs = Array.from({ length: 8 }, async (_, index) => {
      const [command, ...args] = programArgv(writer, false);
      const hangs = index % 2 === 1;
      const child = spawn(command, [...args, hangs ? "hangs" : "ends"], { stdio: ["ignore", "pipe", "inherit"] });
      const exited = once(child, "exit");
      if (hangs) {
        await Promise.race([once(child.stdout, "data"), exited]);
        child.kill("SIGKILL");
      }
      assert.equal(await exited, hangs ? [null, "SIGKILL"] : [0, null]);
    });
    await Promise.all(runs);
    const store = await Store.open(home.path);
    assert.equal(await readFile(store.pathOf(digest)), bytes);
  }),
);

test(
  "two writers of one file at the same time both succeed",
  within(5_000, async () => {
    await using home = await TempDir.create("store-test");
    const store = await Store.open(home.path);
    await using one = await store.begin(digest);
    await using two = await store.begin(digest);
    await one.write(bytes.subarray(0, 500));
    await two.write(bytes);
    await two.commit("thing", "two");
    await one.write(bytes.subarray(500));
    await one.commit("thing", "one");
    assert.equal(await readFile(store.pathOf(digest)), bytes);
    assert.equal(await readdir(join(store.root, "tmp")), []);
  }),
);

test(
  "ensureFreeSpace() fails with folder, bytes needed and remedy if the disk is too small",
  within(5_000, async () => {
    await using home = await TempDir.create("store-test");
    const store = await Store.open(home.path);
    const error = (await thrownBy(store.ensureFreeSpace(2 ** 60))) as InputError;
    assert.instance(error, InputError);
    assert.is(error.code, "DISK_FULL");
    assert.match(error.message, home.path);
    assert.match(error.message, "1048576 TiB more needed");
    assert.match(error.hint ?? "", "LIVELAB_HOME");
  }),
);

test(
  "open() fails if the store's folder cannot be made",
  within(5_000, async () => {
    const error = (await thrownBy(Store.open("/dev/null/store"))) as InputError;
    assert.is(error.code, "STORE");
    assert.match(error.message, "/dev/null/store");
  }),
);

test.run();
