/**
 * ICMP echo over IPv4, as `ping` has it, whole packets only.
 * Source: RFC 791 (header), RFC 792 (echo).
 */
import { internetChecksum } from "./internet-checksum.js";

export interface EchoPacket {
  readonly kind: "request" | "reply";
  /** As 32-bit numbers (ipv4.ts). */
  readonly source: number;
  readonly destination: number;
  readonly identifier: number;
  readonly sequence: number;
  readonly data: Buffer;
}

const IP_HEADER = 20;
const ICMP_HEADER = 8;
const PROTOCOL_ICMP = 1;
const TIME_TO_LIVE = 64;
const types = { request: 8, reply: 0 } as const;

/** @returns undefined for another packet, a fragment, or one with a wrong checksum */
export function parseEcho(bytes: Buffer): EchoPacket | undefined {
  if (bytes.length < IP_HEADER + ICMP_HEADER || bytes.readUInt8(0) >> 4 !== 4) return undefined;
  const header = (bytes.readUInt8(0) & 0xf) * 4;
  const length = bytes.readUInt16BE(2);
  const isFragment = (bytes.readUInt16BE(6) & 0x3fff) !== 0;
  if (header < IP_HEADER || length < header + ICMP_HEADER || length > bytes.length || isFragment) return undefined;
  const message = bytes.subarray(header, length);
  if (bytes.readUInt8(9) !== PROTOCOL_ICMP || message.readUInt8(1) !== 0) return undefined;
  if (internetChecksum(bytes.subarray(0, header)) !== 0 || internetChecksum(message) !== 0) return undefined;
  const kind = message.readUInt8(0) === types.request ? "request" : "reply";
  if (types[kind] !== message.readUInt8(0)) return undefined;
  return {
    kind,
    source: bytes.readUInt32BE(12),
    destination: bytes.readUInt32BE(16),
    identifier: message.readUInt16BE(4),
    sequence: message.readUInt16BE(6),
    data: message.subarray(ICMP_HEADER),
  };
}

export function formatEcho(packet: EchoPacket): Buffer {
  const bytes = Buffer.alloc(IP_HEADER + ICMP_HEADER + packet.data.length);
  bytes.writeUInt8(0x45, 0);
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt16BE(0x4000, 6); // not to be fragmented
  bytes.writeUInt8(TIME_TO_LIVE, 8);
  bytes.writeUInt8(PROTOCOL_ICMP, 9);
  bytes.writeUInt32BE(packet.source, 12);
  bytes.writeUInt32BE(packet.destination, 16);
  bytes.writeUInt16BE(internetChecksum(bytes.subarray(0, IP_HEADER)), 10);
  const message = bytes.subarray(IP_HEADER);
  message.writeUInt8(types[packet.kind], 0);
  message.writeUInt16BE(packet.identifier, 4);
  message.writeUInt16BE(packet.sequence, 6);
  message.set(packet.data, ICMP_HEADER);
  message.writeUInt16BE(internetChecksum(message), 2);
  return bytes;
}
