import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseIpv4 } from "../cn-files/ipv4.js";
import { type DhcpMessage, formatDhcp, parseDhcp } from "./dhcp-message.js";

const test = suite("DHCP message");

const message: DhcpMessage = {
  op: 1,
  hops: 2,
  xid: 0xdeadbeef,
  secs: 4,
  flags: 0x8000,
  ciaddr: 0,
  yiaddr: parseIpv4("10.99.99.38"),
  siaddr: parseIpv4("10.99.99.7"),
  giaddr: parseIpv4("10.0.0.1"),
  mac: "52:54:00:99:00:38",
  sname: Buffer.alloc(64, "s"),
  file: "undionly.kpxe",
  options: new Map([
    [60, Buffer.from("PXEClient")],
    [53, Buffer.from([1])],
  ]),
};

test("formatDhcp() writes every field at its RFC 2131 offset, and the options in ascending order", () => {
  const bytes = formatDhcp(message);
  assert.is(bytes.toString("hex", 0, 28), "01010602deadbeef0004800000000000" + "0a6363260a6363070a000001");
  assert.is(bytes.toString("hex", 28, 44), `525400990038${"00".repeat(10)}`);
  assert.is(bytes.toString("latin1", 44, 108), "s".repeat(64));
  assert.is(bytes.toString("latin1", 108, 122), "undionly.kpxe\0");
  assert.is(
    bytes.toString("hex", 236, 255),
    `638253633501013c09${Buffer.from("PXEClient").toString("hex")}ff`.slice(0, 38),
  );
  assert.is(bytes.length, 300);
});

test("parseDhcp() reads back what formatDhcp() wrote", () => {
  const read = parseDhcp(formatDhcp(message));
  assert.equal(
    { ...read, options: [...(read?.options ?? [])].sort() },
    { ...message, options: [...message.options].sort() },
  );
});

test("parseDhcp() skips padding, ignores bytes after the end option, and takes the last of two equal options", () => {
  const head = formatDhcp({ ...message, options: new Map() }).subarray(0, 240);
  const read = parseDhcp(Buffer.concat([head, Buffer.from("0000350101" + "00" + "350103" + "ff" + "3c0141", "hex")]));
  assert.equal([...(read?.options ?? [])], [[53, Buffer.from([3])]]);
});

for (const [what, spoil] of [
  ["an option that ends beyond the message", (bytes: Buffer) => bytes.fill(0xfe, 240)],
  ["an option without a length", (bytes: Buffer) => bytes.subarray(0, 241)],
  ["another cookie", (bytes: Buffer) => bytes.fill(0, 236, 237)],
  ["another kind of network", (bytes: Buffer) => bytes.fill(6, 1, 2)],
  ["a message that ends within its head", (bytes: Buffer) => bytes.subarray(0, 239)],
] as const) {
  test(`parseDhcp() rejects ${what}`, () => assert.is(parseDhcp(spoil(formatDhcp(message))), undefined));
}

test.run();
