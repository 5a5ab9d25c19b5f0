import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DisposableStack } from "../../base/disposable-stack.js";
import { TempDir } from "../../base/temp-dir.js";
import { parseIpv4 } from "../cn-files/ipv4.js";
import { formatUdpFrames, parseUdpFrame } from "../wire/udp-frame.js";
import type { PublishedContent } from "./published-content.js";
import { TftpService } from "./tftp-service.js";
import { Transcript } from "./transcript.js";

const test = suite("TFTP service");

const CLIENT_MAC = "52:54:00:99:00:38";
const SERVER_MAC = "52:55:0a:63:63:07";

/** A client at one port: sends its packets to the service as frames, and collects the answers in `got`. */
class Client {
  readonly got: { readonly port: number; readonly data: Buffer }[] = [];
  readonly #service: TftpService;
  readonly #port: number;

  constructor(service: TftpService, port = 2_070) {
    this.#service = service;
    this.#port = port;
  }

  /** @returns whether the service consumed all frames */
  send(port: number, data: Buffer, ip = "10.99.99.7"): boolean {
    const datagram = {
      sourceIp: parseIpv4("10.99.99.38"),
      sourcePort: this.#port,
      destinationIp: parseIpv4(ip),
      destinationPort: port,
      data,
    };
    const frames = formatUdpFrames({ source: CLIENT_MAC, destination: SERVER_MAC, vlan: 0, datagram }, 1);
    return frames.every((frame) => this.#service.take(frame, (answer) => this.#receive(answer)));
  }

  read(name: string, ...options: readonly string[]): boolean {
    return this.send(69, Buffer.from(`\0\x01${[name, "octet", ...options].join("\0")}\0`, "latin1"));
  }

  ack(port: number, block: number): boolean {
    return this.send(port, Buffer.from([0, 4, block >> 8, block & 0xff]));
  }

  async next(): Promise<{ readonly port: number; readonly data: Buffer }> {
    for (let tries = 0; tries < 200; tries += 1) {
      const packet = this.got.shift();
      if (packet !== undefined) return packet;
      await sleep(5);
    }
    throw new Error("no packet arrived within 1 s");
  }

  #receive(frame: Buffer): void {
    const answer = parseUdpFrame(frame);
    if (answer === undefined) return; // a fragment; udp-datagram.test.ts covers those
    assert.equal([answer.destination, answer.source], [CLIENT_MAC, SERVER_MAC]);
    assert.is(answer.datagram.destinationPort, this.#port);
    this.got.push({ port: answer.datagram.sourcePort, data: answer.datagram.data });
  }
}

const big = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));

async function start(
  cleanup: DisposableStack,
  retryMs?: number,
): Promise<{ service: TftpService; transcript: Transcript; client: Client }> {
  const dir = cleanup.use(await TempDir.create("tftp"));
  await writeFile(join(dir.path, "big"), big);
  const transcript = cleanup.use(new Transcript(() => performance.now()));
  const tree = new Map<string, PublishedContent>([
    ["/os/big", { kind: "file", path: join(dir.path, "big") }],
    ["/small", { kind: "bytes", bytes: Buffer.from("hello") }],
    ["/even", { kind: "bytes", bytes: Buffer.alloc(1_024, "e") }],
    ["/empty", { kind: "bytes", bytes: Buffer.alloc(0) }],
  ]);
  const service = cleanup.use(
    new TftpService({ serverIp: "10.99.99.7", find: (path) => tree.get(path), transcript, retryMs }),
  );
  return { service, transcript, client: new Client(service) };
}

/** Reads a whole file as a client does. */
async function readAll(client: Client, name: string, blockBytes: number): Promise<Buffer> {
  client.read(name, "blksize", String(blockBytes));
  const agreed = await client.next();
  assert.is(agreed.data.toString("latin1"), `\0\x06blksize\0${blockBytes}\0`);
  client.ack(agreed.port, 0);
  const parts: Buffer[] = [];
  for (let block = 1; ; block += 1) {
    const { port, data } = await client.next();
    assert.is(data.toString("hex", 0, 4), `0003${(block & 0xffff).toString(16).padStart(4, "0")}`);
    parts.push(data.subarray(4));
    client.ack(port, block & 0xffff);
    if (data.length < blockBytes + 4) return Buffer.concat(parts);
  }
}

test("the service sends a file in blocks of the requested size, and records the request in the transcript", async () => {
  await using cleanup = new DisposableStack();
  const { client, transcript } = await start(cleanup);
  assert.ok((await readAll(client, "os/big", 1_428)).equals(big));
  const [request] = transcript.requests;
  assert.equal(
    [request?.method, request?.path, request?.status, request?.bytesSent, request?.complete, request?.peer],
    ["RRQ", "/os/big", 200, 100_000, true, "10.99.99.38:2070"],
  );
});

test("a transfer without options has blocks of 512 bytes, and ends with an empty block if the file fills its last one", async () => {
  await using cleanup = new DisposableStack();
  const { client, transcript } = await start(cleanup);
  client.read("/even");
  const lengths: number[] = [];
  for (let block = 1; block <= 3; block += 1) {
    const { port, data } = await client.next();
    lengths.push(data.length - 4);
    client.ack(port, block);
  }
  assert.equal(lengths, [512, 512, 0]);
  assert.is(transcript.requests[0]?.complete, true);
});

test("the service reports the file's size, and agrees to no larger block than a datagram holds", async () => {
  await using cleanup = new DisposableStack();
  const { client } = await start(cleanup);
  client.read("small", "tsize", "0", "blksize", "65535", "windowsize", "4");
  assert.is((await client.next()).data.toString("latin1"), "\0\x06blksize\0" + "65464\0tsize\0" + "5\0");
});

test("a missing file is error 1 and 404 in the transcript, and a write request is error 2", async () => {
  await using cleanup = new DisposableStack();
  const { client, transcript } = await start(cleanup);
  client.read("../etc/passwd");
  assert.is((await client.next()).data.readUInt16BE(2), 1);
  assert.equal(
    transcript.requests.map(({ path, status, complete }) => [path, status, complete]),
    [["/../etc/passwd", 404, false]],
  );
  client.send(69, Buffer.from("\0\x02x\0octet\0", "latin1"));
  assert.is((await client.next()).data.readUInt16BE(2), 2);
});

test("the service repeats a block without acknowledgement, and sends no block twice for a repeated acknowledgement", async () => {
  await using cleanup = new DisposableStack();
  const { client, transcript } = await start(cleanup, 30);
  client.read("/even");
  const first = await client.next();
  assert.equal(await client.next(), first);
  client.ack(first.port, 1);
  client.ack(first.port, 1);
  assert.is(transcript.bytesSent, 512, "bytesSent counts acknowledged blocks of a running transfer");
  const second = await client.next();
  assert.is(second.data.readUInt16BE(2), 2);
  client.got.length = 0;
  client.ack(first.port, 1);
  client.ack(first.port, 2);
  const packets = [await client.next()];
  await sleep(10);
  packets.push(...client.got);
  assert.equal(
    packets.map(({ data }) => data.readUInt16BE(2)),
    [3],
  );
});

test("a packet from another port gets error 5 and leaves the transfer as it is; an error packet gets no answer", async () => {
  await using cleanup = new DisposableStack();
  const { service, client } = await start(cleanup);
  const stranger = new Client(service, 2_071);
  client.read("/even");
  const { port } = await client.next();
  stranger.ack(port, 1);
  const answer = await stranger.next();
  assert.equal([answer.port, answer.data.toString("hex", 0, 4)], [port, "00050005"]);
  stranger.send(port, Buffer.from("\0\x05\0\0enough\0", "latin1"));
  assert.equal([client.got, stranger.got], [[], []]);
  client.ack(port, 1);
  assert.is((await client.next()).data.readUInt16BE(2), 2);
});

test("every mode except octet (in any case) is error 4", async () => {
  await using cleanup = new DisposableStack();
  const { client, transcript } = await start(cleanup);
  for (const mode of ["netascii", "mail", "octets"]) {
    client.send(69, Buffer.from(`\0\x01small\0${mode}\0`, "latin1"));
    assert.is((await client.next()).data.toString("hex", 0, 4), "00050004", mode);
  }
  assert.equal(transcript.open, []);
  client.send(69, Buffer.from("\0\x01small\0Octet\0", "latin1"));
  assert.is((await client.next()).data.toString("latin1"), "\0\x03\0\x01hello");
});

test("the transcript marks the transfer of a client that aborts or disappears as incomplete", async () => {
  await using cleanup = new DisposableStack();
  const { client, transcript } = await start(cleanup, 5);
  client.read("/even");
  const { port } = await client.next();
  client.send(port, Buffer.from("\0\x05\0\0enough\0", "latin1"));
  client.read("/small");
  for (let tries = 0; transcript.requests.length < 2 && tries < 200; tries += 1) await sleep(5);
  assert.equal(
    transcript.requests.map(({ path, complete }) => [path, complete]),
    [
      ["/even", false],
      ["/small", false],
    ],
  );
  assert.equal(transcript.open, []);
});

test("the service ignores frames for other ports and other hosts", async () => {
  await using cleanup = new DisposableStack();
  const { client } = await start(cleanup);
  assert.not(client.send(53, Buffer.from("query")));
  assert.not(client.send(69, Buffer.from("\0\x01small\0octet\0", "latin1"), "10.99.99.3"));
  assert.not(client.ack(49_152, 0));
  assert.ok(client.read("small"));
});

test("an error thrown while a file is sent reaches onDefect", async () => {
  await using cleanup = new DisposableStack();
  const transcript = cleanup.use(new Transcript(() => performance.now()));
  const defect = new TypeError("a defect of the wire");
  let report: (error: Error) => void = () => {};
  const reported = new Promise<Error>((resolve) => {
    report = resolve;
  });
  const find = (): PublishedContent => ({ kind: "bytes", bytes: Buffer.from("hello") });
  const service = cleanup.use(
    new TftpService({ serverIp: "10.99.99.7", find, transcript, onDefect: (error) => report(error) }),
  );
  const broken = {
    take: (frame: Buffer) =>
      service.take(frame, () => {
        throw defect;
      }),
  } as unknown as TftpService;
  new Client(broken).read("small");
  assert.is(await reported, defect);
});

test.run();
