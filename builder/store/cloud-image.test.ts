import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Progress, silentProgress } from "../../base/progress/progress.js";
import { TempDir } from "../../base/temp-dir.js";
import { type Behaviour, MisbehavingMirror, sha256Of } from "../../fixtures/misbehaving-mirror.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import type { InputError } from "../builder-error.js";
import { type CloudImageSource, fetchCloudImage, parseCloudBase } from "./cloud-image.js";
import { Store } from "./store.js";

const test = suite("cloud image");
const image = Buffer.concat([Buffer.from("QFI\xfb", "latin1"), randomBytes(400_000)]);
const sha512: { algorithm: "sha512"; hex: string } = {
  algorithm: "sha512",
  hex: createHash("sha512").update(image).digest("hex"),
};

/** Makes a store, and a server that has the image. */
async function scene(behaviour: Behaviour) {
  const dir = await TempDir.create("cloud-image");
  const store = await Store.open(join(dir.path, "store"));
  const server = await MisbehavingMirror.start(behaviour);
  server.files.set("image.qcow2", image);
  const source: CloudImageSource = {
    kind: "address",
    name: "test-cloud",
    address: `${server.url}image.qcow2`,
    digest: sha512,
  };
  return {
    dir: dir.path,
    store,
    server,
    source,
    fetch: (changed: CloudImageSource = source, progress: Progress = silentProgress) =>
      fetchCloudImage(changed, { store, progress, retries: 1, retryMs: 10, idleMs: 2_000 }),
    partials: () => readdir(join(store.root, "tmp")),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

test(
  "a disk of another program, or a compressed one, is refused with the command that converts it",
  within(5_000, async () => {
    await using here = await scene("serve");
    for (const [name, start, hint] of [
      ["base.vmdk", "KDMV", /qemu-img convert -f vmdk -O qcow2 /],
      ["base.raw.xz", "\xfd7zXZ\0", /xz -dc /],
    ] as const) {
      const path = join(here.dir, name);
      const content = Buffer.from(start.padEnd(1024, "\0"), "latin1");
      await writeFile(path, content);
      const error = (await thrownBy(here.fetch({ kind: "file", path, digest: sha256Of(content) }))) as InputError;
      assert.equal([error.kind, error.code], ["usage", "BAD_BASE"]);
      assert.match(error.hint ?? "", hint);
    }
  }),
);

test(
  "an image is fetched once, checked, and detected as qcow2",
  within(5_000, async () => {
    await using here = await scene("serve");
    const fetched = await here.fetch();
    assert.equal(fetched, { path: here.store.pathOf(sha512), format: "qcow2", digest: sha512 });
    assert.equal(await readFile(fetched.path), image);
    await here.fetch();
    assert.is(here.server.requests.length, 1);
  }),
);

test(
  "an image with a wrong digest is refused by name, and its bytes are not kept",
  within(5_000, async () => {
    await using here = await scene("alter");
    const error = (await thrownBy(here.fetch())) as InputError;
    assert.is(error.code, "WRONG_DIGEST");
    assert.is(error.kind, "inputs");
    assert.match(error.message, /test-cloud: wrong digest from http.*\n {2}expected sha512:.*\n {2}got {6}sha512:/);
    assert.match(error.hint ?? "", `--base FILE --base-digest sha512:${sha512.hex}`);
    assert.not(await here.store.has(sha512));
    assert.equal(await here.partials(), []);
  }),
);

test(
  "an image that the server truncated is refused",
  within(5_000, async () => {
    await using here = await scene("shorten");
    const error = (await thrownBy(here.fetch())) as InputError;
    assert.is(error.code, "WRONG_DIGEST");
    assert.equal(await here.partials(), []);
  }),
);

test(
  "an interrupted transfer is resumed, and its progress counts the bytes of the complete image",
  within(5_000, async () => {
    await using here = await scene("cut-once");
    const shown: string[] = [];
    const progress: Progress = {
      ...silentProgress,
      step: (title, work) => work({ status: (text) => shown.push(`${title}: ${text}`), result: () => {} }),
    };
    await here.fetch(here.source, progress);
    assert.match(here.server.requests[1]?.range ?? "", /^bytes=[1-9]\d*-$/);
    assert.is(shown.at(-1), "fetch test-cloud: 391 KiB of 391 KiB");
  }),
);

test(
  "the next fetch uses the bytes of a failed one",
  within(5_000, async () => {
    await using here = await scene("cut-always");
    assert.is(((await thrownBy(here.fetch())) as InputError).code, "UNAVAILABLE");
    assert.equal(await here.partials(), [`sha512-${sha512.hex}.part`]);
    here.server.behaviour = "serve";
    await here.fetch();
    assert.match(here.server.requests.at(-1)?.range ?? "", /^bytes=[1-9]\d*-$/);
  }),
);

test(
  "a redirect to the image is followed",
  within(5_000, async () => {
    await using here = await scene("serve");
    const redirecting = http.createServer((_request, response) => {
      response.writeHead(302, { Location: `${here.server.url}image.qcow2` }).end();
    });
    redirecting.listen(0, "127.0.0.1");
    await once(redirecting, "listening");
    try {
      const { port } = redirecting.address() as AddressInfo;
      await here.fetch({ kind: "address", name: "moved", address: `http://127.0.0.1:${port}/old`, digest: sha512 });
    } finally {
      redirecting.close();
      redirecting.closeAllConnections();
    }
    assert.ok(await here.store.has(sha512, image.length));
  }),
);

test(
  "a user's file is used in place if it has the digest",
  within(5_000, async () => {
    await using here = await scene("serve");
    const path = join(here.dir, "own.img");
    const raw = randomBytes(10_000);
    await writeFile(path, raw);
    const good = await here.fetch(parseCloudBase(path, `sha256:${sha256Of(raw).hex}`));
    assert.equal([good.path, good.format], [path, "raw"]);
    const error = (await thrownBy(here.fetch({ kind: "file", path, digest: sha512 }))) as InputError;
    assert.is(error.code, "WRONG_DIGEST");
    assert.match(error.message, `${path}: wrong digest\n  expected sha512:${sha512.hex}\n  got      sha512:`);
    const absent = (await thrownBy(here.fetch({ kind: "file", path: `${path}.not`, digest: sha512 }))) as InputError;
    assert.is(absent.code, "NOT_FOUND");
    assert.equal(await readFile(path), raw);
  }),
);

test("--base accepts a pinned name alone, and a file with its digest", () => {
  const pinned = parseCloudBase("debian-12-cloud", undefined);
  assert.is(pinned.kind, "address");
  assert.is(pinned.digest.algorithm, "sha512");
  assert.is(parseCloudBase("debian-10-cloud", undefined).digest.hex.slice(0, 8), "c9d304a4");
  const upper = parseCloudBase("./my.qcow2", `SHA256:${"AB".repeat(32)}`);
  assert.equal(upper, {
    kind: "file",
    path: "./my.qcow2",
    digest: { algorithm: "sha256", hex: "ab".repeat(32) },
  });
});

test("--base is refused for a file without a digest, for a pinned image with one, and with a bad digest", () => {
  const refused = (base: string, digest?: string) => () => parseCloudBase(base, digest);
  const saying = (text: string) => (error: Error) => error.message.includes(text);
  assert.throws(refused("my.qcow2"), saying("a file needs --base-digest"));
  assert.throws(
    refused("debian-12-cloud", `sha256:${"ab".repeat(32)}`),
    saying("is a pinned image and takes no --base-digest"),
  );
  assert.throws(refused("my.qcow2", "sha256:abcd"), saying('"sha256:abcd" is not a digest'));
  assert.throws(refused("my.qcow2", `md5:${"ab".repeat(16)}`), saying("is not a digest"));
});

test.run();
