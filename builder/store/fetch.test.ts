import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentProgress } from "../../base/progress/progress.js";
import { type ProgramError, runProgram } from "../../base/run-program.js";
import { TempDir } from "../../base/temp-dir.js";
import { MisbehavingMirror } from "../../fixtures/misbehaving-mirror.js";
import { mirrorsWith, smallLock, smallPackages } from "../../fixtures/small-lock.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { testUnless } from "../../test/runner/skip-test.js";
import type { InputError } from "../builder-error.js";
import { type FetchRequest, fetchInputs } from "./fetch.js";
import { Store } from "./store.js";

const test = suite("fetch");
const retry = { retries: 1, retryMs: 10, idleMs: 2_000 };

/** Makes a mirror, a store and a lock of 20 packages. */
async function scene() {
  const home = await TempDir.create("fetch-test");
  const store = await Store.open(home.path);
  const mirror = await MisbehavingMirror.start();
  const packages = smallPackages(Array.from({ length: 20 }, (_, index) => `package-${index}`));
  const lock = smallLock(packages);
  const mirrors = mirrorsWith(packages, mirror);
  return {
    store,
    mirror,
    lock,
    fetch: (changes: Partial<FetchRequest> = {}) =>
      fetchInputs({ lock, store, mirrors: async () => mirrors, progress: silentProgress, retry, ...changes }),
    async [Symbol.asyncDispose]() {
      await mirror[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

test(
  "fetchInputs() fetches missing files once, and needs no mirror if the store has all",
  within(5_000, async () => {
    await using here = await scene();
    assert.equal(await here.fetch(), { files: 20, fetched: 20, fetchedBytes: 400_000 });
    assert.is(here.mirror.requests.length, 20);
    await here.mirror.down(); // the second time the network is unplugged
    const mirrors = () => Promise.reject(new Error("mirrors were looked for"));
    assert.equal(await here.fetch({ mirrors }), { files: 20, fetched: 0, fetchedBytes: 0 });
  }),
);

test(
  "fetchInputs() shows progress in files, bytes and rate, and the result",
  within(5_000, async () => {
    await using here = await scene();
    const statuses: string[] = [];
    let result = "";
    await here.fetch({
      progress: {
        note: () => {},
        step: (_title, work) => work({ status: (text) => statuses.push(text), result: (text) => (result = text) }),
      },
    });
    assert.match(statuses.join("\n"), /^\d+\/20 files, .* of 391 KiB, .*\/s$/m);
    assert.match(result, /^20 files, 391 KiB, .*\/s$/);
  }),
);

test(
  "a package that no mirror has ends the fetch and is named; complete files stay in the store",
  within(5_000, async () => {
    await using here = await scene();
    const gone = here.lock.set("image").packages[7];
    here.mirror.files.delete(gone?.filename ?? "");
    const error = (await thrownBy(here.fetch())) as InputError;
    assert.is(error.code, "UNAVAILABLE");
    assert.match(error.message, `${gone?.name} 1.0: no mirror has it`);
    assert.match(error.message, "404 Not Found");
    for (const { digest } of here.lock.files()) {
      if (await here.store.has(digest)) return; // a complete file from before the failure
    }
    assert.unreachable("nothing was kept");
  }),
);

test(
  "fetchInputs() reports the first failure, not the cancellations that it caused",
  within(5_000, async () => {
    await using here = await scene();
    here.mirror.behaviour = "alter";
    assert.is(((await thrownBy(here.fetch())) as InputError).code, "WRONG_DIGEST");
  }),
);

test(
  "fetchInputs() ends when cancelled, and does not write to the store afterwards",
  within(5_000, async () => {
    await using here = await scene();
    here.mirror.behaviour = "stall";
    const error = await thrownBy(here.fetch({ signal: AbortSignal.timeout(150) }));
    assert.is((error as Error).name, "TimeoutError");
    const left = await readdir(join(here.store.root, "tmp"));
    assert.ok(
      left.every((name) => /^sha256-[0-9a-f]{64}\.part$/.test(name)),
      left.join(" "),
    );
  }),
);

// The full disk of these tests is a small tmpfs in a private mount namespace.
const unshare = ["unshare", ...(process.getuid?.() === 0 ? ["--mount"] : ["--mount", "--map-root-user"])];
const mountLack = await runProgram("unshare", [...unshare.slice(1), "mount", "-t", "tmpfs", "none", tmpdir()]).then(
  () => undefined,
  (error: ProgramError) => `this host mounts no small file system: ${error.message}`,
);

/** Runs a fetch into a store of 1 MiB. @returns what it printed, as JSON */
async function fetchIntoFullDisk(home: string, program: string): Promise<Record<string, unknown>> {
  const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const prelude = `
    import { readdir } from "node:fs/promises";
    import { Store } from ${module("./store.js")};
    import { fetchInputs } from ${module("./fetch.js")};
    import { silentProgress } from ${module("../../base/progress/progress.js")};
    import { MisbehavingMirror, sha256Of } from ${module("../../fixtures/misbehaving-mirror.js")};
    import { mirrorsWith, smallLock, smallPackages } from ${module("../../fixtures/small-lock.js")};
    import { Lock } from ${module("../profile/lock.js")};
    import { createHash, randomBytes } from "node:crypto";
    const home = ${JSON.stringify(home)};
    const store = await Store.open(home);
    const mirror = await MisbehavingMirror.start();
  `;
  const script = `mount -t tmpfs -o size=1m none ${home} && exec "$0" --input-type=module -e "$1"`;
  const { stdout } = await runProgram(unshare[0] ?? "", [
    ...unshare.slice(1),
    ...["sh", "-c", script, process.execPath, `${prelude}${program}\nawait mirror.down();`],
  ]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const diskTest = (title: string, body: () => Promise<void>): void => testUnless(test, title, mountLack, body);

diskTest(
  "fetchInputs() fails before the first byte if the lock's files do not fit on the disk",
  within(10_000, async () => {
    await using home = await TempDir.create("full-disk-test");
    const seen = await fetchIntoFullDisk(
      home.path,
      `
      const packages = smallPackages(["a1", "b2"], 800_000);
      const mirrors = mirrorsWith(packages, mirror);
      const error = await fetchInputs({ lock: smallLock(packages), store, mirrors: async () => mirrors, progress: silentProgress }).catch((e) => e);
      console.log(JSON.stringify({ code: error.code, message: error.message, requests: mirror.requests.length }));
      `,
    );
    assert.is(seen["code"], "DISK_FULL");
    assert.is(seen["requests"], 0);
  }),
);

diskTest(
  "a disk that fills up during the download is named with a remedy, and the store stays valid",
  within(10_000, async () => {
    await using home = await TempDir.create("full-disk-test");
    const seen = await fetchIntoFullDisk(
      home.path,
      `
      const packages = smallPackages(["a1"], 100_000);
      const mirrors = mirrorsWith(packages, mirror);
      const big = randomBytes(3_000_000); // npm's lock has no sizes, so only the write can fail
      mirror.files.set("big/-/big-1.0.0.tgz", big);
      const digest = { algorithm: "sha512", hex: createHash("sha512").update(big).digest("hex") };
      const { profile, sets } = smallLock(packages);
      const small = new Lock(profile, sets, []);
      const lock = new Lock(profile, sets, [{ kind: "npm", name: "big", version: "1.0.0", path: "node_modules/big", digest }]);
      const fetch = (lock) => fetchInputs({ lock, store, mirrors: async () => mirrors, progress: silentProgress });
      await fetch(small);
      const error = await fetch(lock).catch((e) => e);
      const [deb] = small.files();
      console.log(JSON.stringify({
        code: error.code, message: error.message, hint: error.hint,
        whole: await store.has(deb.digest, deb.size), big: await store.has(digest),
        again: await fetch(small),
      }));
      `,
    );
    assert.is(seen["code"], "DISK_FULL");
    assert.match(String(seen["message"]), new RegExp(`^no space left in ${home.path}.*more needed, .* free$`));
    assert.match(String(seen["hint"]), "LIVELAB_HOME");
    assert.is(seen["whole"], true);
    assert.is(seen["big"], false);
    assert.equal(seen["again"], { files: 1, fetched: 0, fetchedBytes: 0 });
  }),
);

test.run();
