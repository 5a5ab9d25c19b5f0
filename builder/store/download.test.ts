import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LivelabError } from "../../base/livelab-error.js";
import { TempDir } from "../../base/temp-dir.js";
import { type Behaviour, MisbehavingMirror, sha256Of } from "../../fixtures/misbehaving-mirror.js";
import { startHttpProxy } from "../../fixtures/small-proxy.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import type { InputError } from "../builder-error.js";
import { type DownloadOptions, type DownloadRequest, download, MirrorHealth } from "./download.js";
import { Store } from "./store.js";

const test = suite("download");
const PATH = "pool/main/j/jq/jq_1.6_amd64.deb";
const deb = randomBytes(400_000);
const digest = sha256Of(deb);

/** Makes a store, and a mirror for each behaviour. Each mirror has the file. */
async function scene(...behaviours: Behaviour[]) {
  const home = await TempDir.create("download-test");
  const store = await Store.open(home.path);
  const mirrors = await Promise.all(behaviours.map((behaviour) => MisbehavingMirror.start(behaviour)));
  for (const mirror of mirrors) mirror.files.set(PATH, deb);
  const request: DownloadRequest = {
    name: "jq 1.6",
    digest,
    size: deb.length,
    addresses: mirrors.map(({ url }) => url + PATH),
  };
  return {
    store,
    mirrors,
    request,
    run: (options: Partial<DownloadOptions> = {}, changes: Partial<DownloadRequest> = {}) =>
      download({ ...request, ...changes }, { store, retries: 2, retryMs: 10, idleMs: 2_000, ...options }),
    partials: () => readdir(join(store.root, "tmp")),
    async [Symbol.asyncDispose]() {
      for (const mirror of mirrors) await mirror[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

test(
  "download() stores the file and counts its bytes",
  within(5_000, async () => {
    await using here = await scene("serve");
    let bytes = 0;
    await here.run({ onBytes: (count) => (bytes += count) });
    assert.is(bytes, deb.length);
    assert.equal(await readFile(here.store.pathOf(digest)), deb);
    assert.equal(await here.partials(), []);
  }),
);

test(
  "download() resumes at the byte where the connection broke",
  within(5_000, async () => {
    await using here = await scene("cut-once");
    await here.run();
    assert.ok(await here.store.has(digest, deb.length));
    const [first, second] = here.mirrors[0]?.requests ?? [];
    assert.is(first?.range, undefined);
    assert.match(second?.range ?? "", /^bytes=[1-9]\d*-$/);
  }),
);

test(
  "download() starts again at a mirror without support for ranges",
  within(5_000, async () => {
    await using here = await scene("cut-always", "no-ranges");
    await here.run();
    assert.equal(await readFile(here.store.pathOf(digest)), deb);
  }),
);

test(
  "download() gives up a mirror that always cuts the connection, and keeps the bytes for a later try",
  within(5_000, async () => {
    await using here = await scene("cut-always");
    const error = (await thrownBy(here.run())) as InputError;
    assert.is(error.code, "UNAVAILABLE");
    assert.match(error.message, "the connection was lost");
    assert.equal(await here.partials(), [`sha256-${digest.hex}.part`]);
    assert.not(await here.store.has(digest));
    const [mirror] = here.mirrors;
    if (mirror) mirror.behaviour = "serve";
    await here.run();
    assert.ok(await here.store.has(digest, deb.length));
  }),
);

test(
  "the error for a wrong digest names file, expected, got and source, and no bytes are kept",
  within(5_000, async () => {
    await using here = await scene("alter");
    const error = (await thrownBy(here.run())) as InputError;
    assert.is(error.code, "WRONG_DIGEST");
    const got = sha256Of(Buffer.alloc(deb.length, "x")).hex;
    for (const part of ["jq 1.6", digest.hex, got, here.request.addresses[0] ?? "none"])
      assert.match(error.message, part);
    assert.equal(await here.partials(), []);
    assert.is(here.mirrors[0]?.requests.length, 1, "a mirror with wrong bytes is not tried again");
  }),
);

test(
  "download() takes the right bytes from the next mirror, and notes the mirror with wrong ones",
  within(5_000, async () => {
    await using here = await scene("alter", "serve");
    const warnings: string[] = [];
    await here.run({ progress: { note: (text) => warnings.push(text) } });
    assert.equal(await readFile(here.store.pathOf(digest)), deb);
    assert.is(warnings.length, 1);
    assert.match(warnings[0] ?? "", here.mirrors[0]?.url ?? "none");
  }),
);

test(
  "a .deb that the mirror truncated is not taken for a broken connection",
  within(5_000, async () => {
    await using here = await scene("shorten");
    const error = (await thrownBy(here.run())) as InputError;
    assert.is(error.code, "WRONG_DIGEST");
    assert.match(error.message, "jq 1.6: truncated, 200000 of 400000 bytes");
    assert.equal(await here.partials(), []);
  }),
);

test(
  "download() stops at a file that is longer than its size in the lock",
  within(5_000, async () => {
    await using here = await scene("lengthen");
    const error = (await thrownBy(here.run())) as InputError;
    assert.match(error.message, "longer than the 400000 bytes of the lock");
    assert.equal(await here.partials(), []);
  }),
);

test(
  "the error for a file that no mirror has lists each mirror's answer, without retries",
  within(5_000, async () => {
    await using here = await scene("missing", "missing");
    const started = performance.now();
    const error = (await thrownBy(here.run({ retryMs: 4_000 }))) as InputError;
    assert.ok(performance.now() - started < 2_000, "a 404 is not retried");
    assert.is(error.code, "UNAVAILABLE");
    for (const mirror of here.mirrors) assert.match(error.message, `${mirror.url}${PATH}: 404 Not Found`);
    assert.match(error.hint ?? "", "LIVELAB_MIRROR");
  }),
);

test(
  "download() waits for a mirror that is down and comes back",
  within(5_000, async () => {
    await using here = await scene("serve");
    const [mirror] = here.mirrors;
    await mirror?.down();
    await Promise.all([here.run({ retries: 6, retryMs: 50 }), sleep(150).then(() => mirror?.up())]);
    assert.ok(await here.store.has(digest, deb.length));
  }),
);

test(
  "download() retries an overloaded mirror, and reports its answer at the end",
  within(5_000, async () => {
    await using here = await scene("overloaded");
    const error = (await thrownBy(here.run())) as InputError;
    assert.is(here.mirrors[0]?.requests.length, 3);
    assert.match(error.message, "503 Service Unavailable");
  }),
);

test(
  "download() leaves a mirror that stops sending, and fetches the rest from the next",
  within(5_000, async () => {
    await using here = await scene("stall", "serve");
    await here.run({ idleMs: 150 });
    assert.equal(await readFile(here.store.pathOf(digest)), deb);
    assert.match(here.mirrors[1]?.requests[0]?.range ?? "", /^bytes=/);
  }),
);

test(
  "download() starts again if the bytes of an earlier try were wrong",
  within(5_000, async () => {
    await using here = await scene("serve");
    {
      await using partial = await here.store.begin(digest);
      await partial.write(Buffer.alloc(1000, "x"));
    }
    await here.run();
    assert.equal(await readFile(here.store.pathOf(digest)), deb);
  }),
);

test(
  "download() ends at once when cancelled, and keeps the received bytes",
  within(5_000, async () => {
    await using here = await scene("stall");
    const cancel = new AbortController();
    const running = here.run({ signal: cancel.signal, onBytes: () => cancel.abort(new Error("SIGINT")) });
    const started = performance.now();
    assert.is(((await thrownBy(running)) as Error).message, "SIGINT");
    assert.ok(performance.now() - started < 1_000);
    assert.equal(await here.partials(), [`sha256-${digest.hex}.part`]);
  }),
);

test(
  "download() tries mirrors that failed before after the others",
  within(5_000, async () => {
    await using here = await scene("overloaded", "serve");
    const health = new MirrorHealth();
    await here.run({ health });
    const again = Buffer.from("another file");
    for (const mirror of here.mirrors) mirror.files.set("b", again);
    const addresses = here.mirrors.map(({ url }) => `${url}b`);
    await here.run({ health }, { digest: sha256Of(again), size: again.length, addresses });
    assert.is(here.mirrors[0]?.requests.length, 1);
  }),
);

test(
  "download() throws NO_MIRROR if no mirror is configured",
  within(5_000, async () => {
    await using here = await scene();
    assert.is(((await thrownBy(here.run())) as InputError).code, "NO_MIRROR");
  }),
);

test(
  "download() uses an HTTP proxy with the full address, and with CONNECT for https",
  within(5_000, async () => {
    await using here = await scene("serve");
    const seen: string[] = [];
    const proxy = http.createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      http.get(request.url ?? "", (upstream) => upstream.pipe(response));
    });
    proxy.on("connect", (request, socket) => {
      seen.push(`CONNECT ${request.url}`);
      if (request.url === "refused.example:443") return socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      socket.once("data", (hello: Buffer) => {
        if (hello[0] === 0x16) seen.push(`TLS for ${/tunnel\.example/.exec(hello.toString("latin1"))}`);
        socket.destroy();
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    try {
      const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
      const settings = { httpProxy: address, httpsProxy: address };
      await here.run({ proxy: settings });
      assert.ok(await here.store.has(digest));
      const httpsError = async (host: string) => {
        const changes = { digest: sha256Of(Buffer.from("a")), addresses: [`https://${host}/a.deb`] };
        return (await thrownBy(here.run({ proxy: settings, retries: 0 }, changes))) as InputError;
      };
      assert.match((await httpsError("refused.example")).message, "answered 502 to CONNECT refused.example:443");
      await httpsError("tunnel.example");
      assert.equal(seen, [
        `GET ${here.request.addresses[0]}`,
        "CONNECT refused.example:443",
        "CONNECT tunnel.example:443",
        "TLS for tunnel.example",
      ]);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  }),
);

test(
  "a proxy that requires credentials is not tried again, and the hint says how to give them",
  within(5_000, async () => {
    await using here = await scene("serve");
    await using proxy = await startHttpProxy({ credentials: "user:secret" });
    const error = (await thrownBy(here.run({ proxy: { httpProxy: `user:wrong@${proxy.host}` } }))) as InputError;
    assert.is(error.code, "UNAVAILABLE");
    assert.match(error.message, `the proxy ${proxy.host} answered 407`);
    assert.match(error.hint ?? "", `http://USER:PASSWORD@${proxy.host}`);
    assert.not.match(error.message, "wrong@");
    assert.is(proxy.asked.length, 1);
  }),
);

test(
  "a proxy that livelab cannot use is reported as such, not as a mirror's answer",
  within(5_000, async () => {
    await using here = await scene("serve");
    const error = (await thrownBy(here.run({ proxy: { httpProxy: "socks4://proxy.example" } }))) as LivelabError;
    assert.equal([error.kind, error.code], ["usage", "BAD_PROXY"]);
    assert.equal(here.mirrors[0]?.requests, []);
  }),
);

test.run();
