import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { TempDir } from "../../base/temp-dir.js";
import { FileServer, parseRange } from "./file-server.js";
import type { PublishedContent } from "./published-content.js";
import { type HeadnodeRequest, Transcript } from "./transcript.js";

const test = suite("file server");

const big = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef");

async function startServer(
  cleanup: DisposableStack,
): Promise<{ url: string; port: number; transcript: Transcript; log: string }> {
  const dir = cleanup.use(await TempDir.create("file-server"));
  await writeFile(join(dir.path, "big"), big);
  const log = join(dir.path, "transcript.jsonl");
  const transcript = cleanup.use(new Transcript(() => performance.now(), log));
  const tree = new Map<string, PublishedContent>([
    ["/os/big", { kind: "file", path: join(dir.path, "big") }],
    ["/gone", { kind: "file", path: join(dir.path, "gone") }],
    ["/small", { kind: "bytes", bytes: Buffer.from("hello") }],
    ["/empty", { kind: "bytes", bytes: Buffer.alloc(0) }],
  ]);
  const server = cleanup.use(await FileServer.start({ tree: (path) => tree.get(path), transcript }));
  return { url: `http://127.0.0.1:${server.port}`, port: server.port, transcript, log };
}

/** The next request that ends. Call it before the request starts. */
function nextRequest(transcript: Transcript): Promise<HeadnodeRequest> {
  const seen = transcript.requests.length;
  let index = 0;
  return new Promise((resolve) => {
    transcript.onRequest((ended) => {
      if (index++ === seen) resolve(ended);
    });
  });
}

test("the server streams a whole file and records the request", async () => {
  await using cleanup = new DisposableStack();
  const { url, transcript } = await startServer(cleanup);
  const noted = nextRequest(transcript);
  const answer = await fetch(`${url}/os/big`, { headers: { "user-agent": "iPXE/1.0" } });
  assert.is(answer.status, 200);
  assert.is(answer.headers.get("content-length"), String(big.length));
  assert.ok(big.equals(Buffer.from(await answer.arrayBuffer())));
  const entry = await noted;
  assert.is(entry.path, "/os/big");
  assert.is(entry.bytesSent, big.length);
  assert.is(entry.complete, true);
  assert.is(entry.userAgent, "iPXE/1.0");
  assert.match(entry.peer, /^127\.0\.0\.1:\d+$/);
});

test("HEAD returns the length and no body", async () => {
  await using cleanup = new DisposableStack();
  const { url } = await startServer(cleanup);
  const answer = await fetch(`${url}/small`, { method: "HEAD" });
  assert.is(answer.headers.get("content-length"), "5");
  assert.is(await answer.text(), "");
});

test("a range returns that part, a range beyond the end returns 416, an empty file returns an empty body", async () => {
  await using cleanup = new DisposableStack();
  const { url } = await startServer(cleanup);
  const part = await fetch(`${url}/os/big`, { headers: { range: "bytes=16-31" } });
  assert.is(part.status, 206);
  assert.is(part.headers.get("content-range"), `bytes 16-31/${big.length}`);
  assert.is(await part.text(), "0123456789abcdef");
  const beyond = await fetch(`${url}/small`, { headers: { range: "bytes=5-" } });
  assert.is(beyond.status, 416);
  assert.is(beyond.headers.get("content-range"), "bytes */5");
  assert.is(await (await fetch(`${url}/empty`)).text(), "");
});

test("a path outside the tree and a deleted file return 404, and other methods return 405", async () => {
  await using cleanup = new DisposableStack();
  const { url, port, transcript } = await startServer(cleanup);
  for (const path of ["/nothing", "/gone", "/../../etc/passwd", "/os/%2e%2e/%2e%2e/etc/passwd"]) {
    // fetch() would resolve the dots itself.
    const asked = request({ host: "127.0.0.1", port, path, agent: false }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    answer.resume();
    await once(answer, "close");
    assert.is(answer.statusCode, 404, path);
  }
  assert.is((await fetch(`${url}/small`, { method: "POST", body: "x" })).status, 405);
  assert.equal(
    transcript.requests.map(({ path, status }) => [path, status]),
    [
      ["/nothing", 404],
      ["/gone", 404],
      ["/../../etc/passwd", 404],
      ["/os/../../etc/passwd", 404],
      ["/small", 405],
    ],
  );
});

test("the transcript marks a request whose client disconnects as incomplete", async () => {
  await using cleanup = new DisposableStack();
  const { port, transcript } = await startServer(cleanup);
  const noted = nextRequest(transcript);
  const get = request({ host: "127.0.0.1", port, path: "/os/big" });
  get.on("error", () => undefined);
  get.end();
  const [answer] = await once(get, "response");
  await once(answer, "data");
  assert.is(transcript.open[0]?.path, "/os/big");
  get.destroy();
  const entry = await noted;
  assert.is(entry.complete, false);
  assert.ok(entry.bytesSent < big.length, `${entry.bytesSent} sent`);
  assert.equal(transcript.open, []);
});

test("the transcript's file has one JSON line per request", async () => {
  await using cleanup = new DisposableStack();
  const { url, transcript, log } = await startServer(cleanup);
  await (await fetch(`${url}/small`)).text();
  await fetch(`${url}/nothing`);
  await transcript[Symbol.asyncDispose]();
  const entries = (await readFile(log, "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(
    entries.map((entry) => [entry.path, entry.status]),
    [
      ["/small", 200],
      ["/nothing", 404],
    ],
  );
});

test("a port that is in use is a usage error that names the port", async () => {
  await using cleanup = new DisposableStack();
  const { port, transcript } = await startServer(cleanup);
  try {
    await FileServer.start({ tree: () => undefined, transcript, port });
    assert.unreachable();
  } catch (error) {
    assert.is((error as { code?: string }).code, "PORT_IN_USE");
    assert.match((error as Error).message, String(port));
  }
});

test("the server closes at once although a client keeps its connection open", async () => {
  const cleanup = new DisposableStack();
  const { port } = await startServer(cleanup);
  const idle = connect(port, "127.0.0.1");
  await once(idle, "connect");
  const closed = once(idle, "close");
  const startMs = performance.now();
  await cleanup[Symbol.asyncDispose]();
  await closed;
  assert.ok(performance.now() - startMs < 1_000);
});

test("parseRange() parses ranges as RFC 9110 defines them", () => {
  assert.equal(parseRange("bytes=0-0", 10), [0, 0]);
  assert.equal(parseRange("bytes=5-", 10), [5, 9]);
  assert.equal(parseRange("bytes=-3", 10), [7, 9]);
  assert.equal(parseRange("bytes=-30", 10), [0, 9]);
  assert.equal(parseRange("bytes=5-100", 10), [5, 9]);
  assert.is(parseRange("bytes=10-", 10), "unsatisfiable");
  for (const ignored of [undefined, "bytes=5-2", "bytes=-", "bytes=0-1,3-4", "lines=1-2"]) {
    assert.is(parseRange(ignored, 10), undefined, ignored);
  }
});

test("an error thrown by the tree reaches onDefect, and the request is incomplete", async () => {
  await using cleanup = new DisposableStack();
  const transcript = cleanup.use(new Transcript(() => performance.now()));
  const defect = new TypeError("a defect of the tree");
  const defects: Error[] = [];
  const tree = (): never => {
    throw defect;
  };
  const server = cleanup.use(await FileServer.start({ tree, transcript, onDefect: (error) => defects.push(error) }));
  const noted = nextRequest(transcript);
  await fetch(`http://127.0.0.1:${server.port}/x`).catch(() => undefined);
  assert.is((await noted).complete, false);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(defects, [defect]);
});

test.run();
