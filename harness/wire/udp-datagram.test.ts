import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseIpv4 } from "../cn-files/ipv4.js";
import { internetChecksum } from "./internet-checksum.js";
import { formatUdp, parseUdp } from "./udp-datagram.js";

const test = suite("UDP datagram");

const datagram = {
  sourceIp: parseIpv4("10.99.99.7"),
  sourcePort: 67,
  destinationIp: parseIpv4("255.255.255.255"),
  destinationPort: 68,
  data: Buffer.from("hello"),
};

test("formatUdp() writes one packet with header, ports, lengths and correct checksums", () => {
  const [packet, ...others] = formatUdp(datagram, 0x1_0007);
  assert.ok(packet);
  assert.is(others.length, 0);
  assert.is(packet.toString("hex", 0, 10), "45000021000700004011");
  assert.is(packet.toString("hex", 12, 26), "0a636307ffffffff00430044000d");
  assert.is(internetChecksum(packet.subarray(0, 20)), 0);
  assert.equal(parseUdp(packet), datagram);
});

test("parseUdp() ignores padding after the packet", () => {
  const [packet] = formatUdp(datagram, 1);
  assert.equal(parseUdp(Buffer.concat([packet ?? Buffer.alloc(0), Buffer.alloc(20)]))?.data, datagram.data);
});

test("parseUdp() accepts a datagram without a checksum, and rejects a wrong checksum", () => {
  const spoil = (at: number, value: number): Buffer => {
    const [packet = Buffer.alloc(0)] = formatUdp(datagram, 1);
    packet.writeUInt16BE(value, at);
    return packet;
  };
  assert.ok(parseUdp(spoil(26, 0)));
  assert.is(parseUdp(spoil(26, 0x1234)), undefined);
  assert.is(parseUdp(spoil(10, 0x1234)), undefined);
});

test("formatUdp() splits a datagram that exceeds one frame into fragments that add up to it", () => {
  const data = Buffer.from(Array.from({ length: 65_468 }, (_, index) => index % 251));
  const packets = formatUdp({ ...datagram, data }, 9);
  assert.is(packets.length, 45);
  let whole = Buffer.alloc(0);
  for (const [index, packet] of packets.entries()) {
    assert.ok(packet.length <= 1_500);
    const flagsAndOffset = packet.readUInt16BE(6);
    assert.is((flagsAndOffset & 0x1fff) * 8, whole.length);
    assert.is((flagsAndOffset & 0x2000) !== 0, index < packets.length - 1);
    assert.is(packet.readUInt16BE(4), 9);
    assert.is(parseUdp(packet), undefined); // a fragment is not a whole datagram
    whole = Buffer.concat([whole, packet.subarray(20)]);
  }
  assert.ok(whole.subarray(8).equals(data));
});

test.run();
