/** Tests the wire's packet formats against bytes from other implementations, and in both directions. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseIpv4 } from "../cn-files/ipv4.js";
import { formatArp, parseArp } from "./arp.js";
import { formatFrame, parseFrame } from "./ethernet.js";
import { formatEcho, parseEcho } from "./icmp-echo.js";
import { internetChecksum } from "./internet-checksum.js";
import { formatLacpdu, parseLacpdu } from "./lacpdu.js";

const test = suite("wire codecs");
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

test("an Ethernet frame is parsed and formatted with and without a tag", () => {
  const plain = hex("525400aa0001 024c4c000100 0806 0102");
  assert.equal(parseFrame(plain), {
    destination: "52:54:00:aa:00:01",
    source: "02:4c:4c:00:01:00",
    vlan: 0,
    etherType: 0x0806,
    payload: hex("0102"),
  });
  // Priority 5, VLAN 3105.
  const tagged = parseFrame(hex("525400aa0001 024c4c000100 8100 ac21 0800 0102"));
  assert.is(tagged?.vlan, 3105);
  assert.is(tagged?.etherType, 0x0800);
  assert.equal(tagged?.payload, hex("0102"));
  assert.equal(
    tagged && formatFrame(tagged),
    Buffer.concat([hex("525400aa0001 024c4c000100 8100 0c21 0800 0102"), Buffer.alloc(40)]),
    "padded to 60 bytes",
  );
  for (const short of [hex("525400aa0001 024c4c000100 08"), hex("525400aa0001 024c4c000100 8100 0c21")]) {
    assert.is(parseFrame(short), undefined);
  }
});

test("ARP is parsed and formatted, and packets of other protocols or operations are rejected", () => {
  const request = hex("0001 0800 06 04 0001 525400aa0001 0a4d0029 000000000000 0a4d0002");
  const parsed = parseArp(request);
  assert.equal(parsed, {
    operation: "request",
    senderMac: "52:54:00:aa:00:01",
    senderIp: parseIpv4("10.77.0.41"),
    targetMac: "00:00:00:00:00:00",
    targetIp: parseIpv4("10.77.0.2"),
  });
  assert.equal(parsed && formatArp(parsed), request);
  for (const other of ["0001 86dd 06 04 0001", "0001 0800 06 04 0003", "0001 0800 06"]) {
    assert.is(parseArp(hex(`${other} 525400aa0001 0a4d0029 000000000000 0a4d0002`)), undefined, other);
  }
});

test("internetChecksum() sums as RFC 1071 does, including odd lengths and carries", () => {
  assert.is(internetChecksum(hex("0001 f203 f4f5 f6f7")), 0x220d);
  assert.is(internetChecksum(hex("ff")), 0x00ff);
  assert.is(internetChecksum(Buffer.alloc(60_000, 0xff)), 0);
});

// The packet that the kernel sends for `ping -c1 -s 8 10.77.0.2`.
const pinged = hex("4500 0024 1c46 4000 4001 09cf 0a4d0029 0a4d0002  0800 e6a2 0007 0001 1122 3344 5566 7788");

test("an echo request is parsed, and its reply has correct checksums", () => {
  const request = parseEcho(Buffer.concat([pinged, Buffer.alloc(10)]));
  assert.equal(request, {
    kind: "request",
    source: parseIpv4("10.77.0.41"),
    destination: parseIpv4("10.77.0.2"),
    identifier: 7,
    sequence: 1,
    data: hex("1122 3344 5566 7788"),
  });
  assert.ok(request);
  const reply = formatEcho({ ...request, kind: "reply", source: request.destination, destination: request.source });
  assert.equal(reply, hex("4500 0024 0000 4000 4001 2615 0a4d0002 0a4d0029  0000 eea2 0007 0001 1122 3344 5566 7788"));
  assert.is(parseEcho(reply)?.kind, "reply");
});

test("parseEcho() rejects fragments, other protocols and wrong checksums", () => {
  const echo = formatEcho({
    kind: "request",
    source: 1,
    destination: 2,
    identifier: 3,
    sequence: 4,
    data: hex("aabb"),
  });
  assert.ok(parseEcho(echo));
  for (const [what, offset, value] of [
    ["version 6", 0, 0x65],
    ["header too short", 0, 0x44],
    ["longer than the packet", 3, 0xff],
    ["more fragments", 6, 0x20],
    ["TCP", 9, 6],
    ["destination unreachable", 20, 3],
    ["data", 29, 0],
  ] as const) {
    const spoilt = Buffer.from(echo);
    spoilt.writeUInt8(value, offset);
    if (what !== "data" && offset < 20) {
      spoilt.writeUInt16BE(0, 10);
      spoilt.writeUInt16BE(internetChecksum(spoilt.subarray(0, 20)), 10);
    }
    assert.is(parseEcho(spoilt), undefined, what);
  }
});

test("a LACPDU is parsed and formatted byte for byte", () => {
  // The first LACPDU of Linux bonding: active, aggregatable, defaulted, expired partner.
  const pdu = hex(`01 01 01 14 ffff 525400aa0001 000f 00ff 0001 4d 000000
    02 14 ffff 000000000000 0001 00ff 0001 01 000000 03 10 0000 ${"00".repeat(12)} 00 00 ${"00".repeat(50)}`);
  const parsed = parseLacpdu(pdu);
  assert.equal(parsed?.actor, {
    systemPriority: 0xffff,
    system: "52:54:00:aa:00:01",
    key: 15,
    portPriority: 255,
    port: 1,
    state: 0x4d,
  });
  assert.is(parsed?.partner.state, 1);
  assert.equal(parsed && formatLacpdu(parsed), pdu);
  const marker = Buffer.from(pdu);
  marker.writeUInt8(2, 0);
  assert.is(parseLacpdu(marker), undefined, "marker protocol");
  assert.is(parseLacpdu(pdu.subarray(0, 60)), undefined, "cut off");
});

test.run();
