import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LivelabError } from "../../base/livelab-error.js";
import { MisbehavingMirror } from "../../fixtures/misbehaving-mirror.js";
import { startFirstByteProxy, startHttpProxy, startSocksProxy } from "../../fixtures/small-proxy.js";
import { thrownBy, within } from "../../fixtures/vm-deadline.js";
import { httpGet, ProxyFailure } from "./http-get.js";

const test = suite("http get");
const FILE = Buffer.from("the file");

async function startMirror(): Promise<MisbehavingMirror> {
  const mirror = await MisbehavingMirror.start();
  mirror.files.set("file", FILE);
  return mirror;
}

/** Settings with one proxy for both schemes. */
const all = (proxy: string) => ({ httpProxy: proxy, httpsProxy: proxy });
const textOf = async (response: Promise<{ body: AsyncIterable<Buffer> }>): Promise<string> =>
  (await buffer((await response).body)).toString();
const portOf = (url: string): number => Number(new URL(url).port);

async function failureThrough(url: string, proxy: string): Promise<ProxyFailure> {
  const error = await thrownBy(httpGet(url, { proxy: all(proxy), idleMs: 200 }));
  assert.instance(error, ProxyFailure);
  return error as ProxyFailure;
}

test(
  "a proxy gets the credentials of its address, with any characters",
  within(5_000, async () => {
    await using mirror = await startMirror();
    for (const [written, meant] of [
      ["user:pass", "user:pass"],
      ["user:p%40ss%3a%c3%a9", "user:p@ss:é"],
      ["user:100%25%sure", "user:100%%sure"],
      ["user", "user:"],
      ["DOM\\user:p", "DOM\\user:p"],
      ["u:1#w", "u:1#w"],
      ["u:p/w", "u:p/w"],
      ["u:/w", "u:/w"],
      ["u:p?w:x@y", "u:p?w:x@y"],
      ["u:'p'", "u:'p'"],
    ] as const) {
      await using proxy = await startHttpProxy({ credentials: meant });
      const settings = { proxy: all(`http://${written}@${proxy.host}`) };
      assert.is(await textOf(httpGet(`${mirror.url}file`, settings)), FILE.toString(), written);
      await thrownBy(httpGet("https://mirror.example/file", settings));
      assert.equal(proxy.asked, [`GET ${mirror.url}file`, "CONNECT mirror.example:443", "TLS"]);
    }
  }),
);

test(
  "connections to an https proxy use TLS, for addresses of both schemes",
  within(5_000, async () => {
    await using proxy = await startFirstByteProxy();
    for (const url of ["http://mirror.example/file", "https://mirror.example/file"]) {
      const { message } = await failureThrough(url, `https://user:secret@${proxy.host}`);
      assert.match(message, `through the proxy https://${proxy.host}: `);
    }
    assert.equal(proxy.asked, ["TLS", "TLS"]);
  }),
);

test(
  "a SOCKS 5 proxy resolves the name, and gets the credentials of its address",
  within(5_000, async () => {
    await using mirror = await startMirror();
    await using proxy = await startSocksProxy({
      credentials: "user:p@ss",
      names: { "mirror.invalid:8080": portOf(mirror.url) },
    });
    for (const scheme of ["socks5", "socks5h", "SOCKS5H"]) {
      const settings = { proxy: all(`${scheme}://user:p%40ss@${proxy.host}`) };
      assert.is(await textOf(httpGet("http://mirror.invalid:8080/file", settings)), FILE.toString());
    }
    assert.equal(new Set(proxy.asked), new Set(["CONNECT mirror.invalid:8080"]));
    const { message } = await failureThrough("http://mirror.invalid:8080/file", `socks5://user:secret@${proxy.host}`);
    assert.match(message, `through the proxy socks5://${proxy.host}: `);
  }),
);

test(
  "a SOCKS 5 proxy that refuses is named with its reason",
  within(5_000, async () => {
    await using proxy = await startSocksProxy({ refusal: 2 });
    const { message } = await failureThrough("http://mirror.invalid/file", `socks5://${proxy.host}`);
    assert.match(message, /through the proxy socks5:.*: SOCKS5 connection failed: Connection not allowed by ruleset/);
  }),
);

test(
  "a proxy with an unsupported scheme or an invalid address is refused before a request is sent",
  within(5_000, async () => {
    await using proxy = await startFirstByteProxy();
    for (const bad of [
      `socks4://${proxy.host}`,
      `socks4a://${proxy.host}`,
      `ftp://${proxy.host}`,
      `tcp://u:secret@${proxy.host}`,
      "http://proxy.example:99999",
      "proxy.example:port",
      "http://",
      "http://u:secret/x@proxy.example:y",
    ]) {
      const error = (await thrownBy(httpGet("http://mirror.invalid/file", { proxy: all(bad) }))) as LivelabError;
      assert.instance(error, LivelabError);
      assert.equal([error.kind, error.code], ["usage", "BAD_PROXY"], bad);
      assert.match(error.message, bad.replace(/u:secret.*@/, ""));
      assert.match(error.hint ?? "", "http://proxy.example:3128");
    }
    assert.equal(proxy.asked, []);
  }),
);

test(
  "a proxy that requires credentials is named with the remedy, for both schemes, and not tried again",
  within(5_000, async () => {
    await using proxy = await startHttpProxy({ credentials: "user:right" });
    for (const [url, asked] of [
      ["http://mirror.example/file", "GET http://mirror.example"],
      ["https://mirror.example/file", "CONNECT mirror.example:443"],
    ] as const) {
      const error = await failureThrough(url, `http://user:wrong@${proxy.host}`);
      assert.is(error.message, `the proxy ${proxy.host} answered 407 to ${asked}`);
      assert.match(error.hint, `http://USER:PASSWORD@${proxy.host}`);
      assert.is(error.mayPass, false);
    }
  }),
);

test(
  "a proxy that refuses a tunnel is named with its status, and tried again only if that may help",
  within(5_000, async () => {
    for (const [refusal, mayPass] of [
      [403, false],
      [503, true],
    ] as const) {
      await using proxy = await startHttpProxy({ refusal });
      const error = await failureThrough("https://[2001:db8::1]/file", `http://${proxy.host}`);
      assert.is(error.message, `the proxy ${proxy.host} answered ${refusal} to CONNECT [2001:db8::1]:443`);
      assert.is(error.mayPass, mayPass);
      assert.match(error.hint, "no_proxy=[2001:db8::1]");
    }
  }),
);

test(
  "the status line of an answer through a proxy names the proxy",
  within(5_000, async () => {
    await using proxy = await startHttpProxy({ refusal: 403 });
    const response = await httpGet("http://mirror.example/file", { proxy: all(proxy.host) });
    response.discard();
    assert.is(response.statusLine, `403 Forbidden (through the proxy http://${proxy.host})`);
  }),
);

test(
  "a proxy that cannot be reached or does not answer is named",
  within(5_000, async () => {
    let gone = "";
    {
      await using proxy = await startHttpProxy();
      gone = proxy.host;
    }
    await using silent = await startHttpProxy({ silent: true });
    for (const url of ["http://mirror.example/file", "https://mirror.example/file"]) {
      assert.match((await failureThrough(url, gone)).message, `through the proxy http://${gone}: connect ECONNREFUSED`);
      assert.match((await failureThrough(url, silent.host)).message, `proxy http://${silent.host}: silent for 200 ms`);
    }
  }),
);

test(
  "a request that is cancelled while its proxy is silent leaves no connection",
  within(5_000, async () => {
    const silent = { silent: true };
    for (const [scheme, start] of [
      ["http", startHttpProxy],
      ["socks5", startSocksProxy],
    ] as const) {
      await using proxy = await start(silent);
      const cancel = new AbortController();
      const options = { proxy: all(`${scheme}://${proxy.host}`), signal: cancel.signal };
      const running = httpGet("https://mirror.example/file", options);
      await until(() => proxy.open.size > 0);
      cancel.abort(new Error("SIGINT"));
      assert.is(((await thrownBy(running)) as Error).message, "SIGINT");
      await until(() => proxy.open.size === 0);
    }
  }),
);

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries += 1) {
    assert.ok(tries < 200, "the condition was not met");
    await sleep(10);
  }
}

test(
  "a redirect uses the proxy rules for its target",
  within(5_000, async () => {
    await using mirror = await startMirror();
    await using proxy = await startHttpProxy();
    const server = http.createServer((request, response) => {
      response.writeHead(302, { location: `${mirror.url}file` }).end(`moved from ${request.url}`);
    });
    server.listen(0, "localhost");
    await once(server, "listening");
    try {
      const moved = `http://localhost:${(server.address() as AddressInfo).port}/moved`;
      const proxySettings = { httpProxy: proxy.host, noProxy: "localhost" };
      assert.is(await textOf(httpGet(moved, { proxy: proxySettings })), FILE.toString());
      assert.equal(proxy.asked, [`GET ${mirror.url}file`]);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  }),
);

test(
  "requests to a mirror of apt and to its redirects use apt's proxy; others do not",
  within(5_000, async () => {
    await using mirror = await startMirror();
    await using proxy = await startHttpProxy({ names: { "apt.invalid:80": portOf(mirror.url) } });
    const settings = { proxy: { aptProxies: new Map([["http://apt.invalid/", proxy.host]]) } };
    assert.is(await textOf(httpGet("http://apt.invalid/file", settings)), FILE.toString());
    assert.is(await textOf(httpGet(`${mirror.url}file`, settings)), FILE.toString());
    assert.equal(proxy.asked, ["GET http://apt.invalid/file"]);
    const environment = { ...settings.proxy, httpProxy: "http://127.0.0.1:9" };
    assert.match((await thrownBy(httpGet("http://apt.invalid/file", { proxy: environment }))) as never, /127.0.0.1:9/);
  }),
);

test(
  "a mirror gets the credentials of its address, the target of a redirect to another host does not",
  within(5_000, async () => {
    const seen: (string | undefined)[] = [];
    const server = http.createServer((request, response) => {
      seen.push(request.headers.authorization);
      const { port } = server.address() as AddressInfo;
      if (request.url === "/here") response.writeHead(302, { location: "/away" });
      if (request.url === "/away") response.writeHead(302, { location: `http://localhost:${port}/file` });
      response.end();
    });
    server.listen(0, "localhost");
    await once(server, "listening");
    try {
      const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      await textOf(httpGet(`http://user:p%40ss@${host}/here`));
      const credentials = `Basic ${Buffer.from("user:p@ss").toString("base64")}`;
      assert.equal(seen, [credentials, credentials, undefined]);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  }),
);

test(
  "a body that stops or loses its connection fails with a plain message",
  within(5_000, async () => {
    for (const [behaviour, words] of [
      ["stall", "silent for 200 ms"],
      ["cut-always", "the connection was lost"],
    ] as const) {
      await using mirror = await startMirror();
      mirror.behaviour = behaviour;
      assert.is(((await thrownBy(textOf(httpGet(`${mirror.url}file`, { idleMs: 200 })))) as Error).message, words);
    }
  }),
);

test(
  "an IPv6 address is reached, and a discarded body ends without an error",
  within(5_000, async () => {
    const server = http.createServer((request, response) => {
      response.writeHead(200, { "x-host": request.headers.host ?? "" });
      response.write("half");
    });
    server.listen(0, "::1");
    await once(server, "listening");
    try {
      const host = `[::1]:${(server.address() as AddressInfo).port}`;
      const response = await httpGet(`http://${host}/a?b=c#d`);
      assert.is(response.headers["x-host"], host);
      response.discard();
      await sleep(20); // an unhandled error would end the test here
    } finally {
      server.close();
      server.closeAllConnections();
    }
  }),
);

test.run();
