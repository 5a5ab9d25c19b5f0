/**
 * Parses and formats ICMP echo over IPv4, as `ping` uses it. Fragments are not supported.
 * Source: RFC 792 (echo).
 */
import { internetChecksum } from "./internet-checksum.js";
import { formatIpv4Packet, ipProtocols, parseIpv4Packet } from "./ipv4-packet.js";

export interface EchoPacket {
  readonly kind: "request" | "reply";
  /** As 32-bit numbers (cn-files/ipv4.ts). */
  readonly source: number;
  readonly destination: number;
  readonly identifier: number;
  readonly sequence: number;
  readonly data: Buffer;
}

const HEADER = 8;
const types = { request: 8, reply: 0 } as const;

/** @returns undefined if the bytes are not an ICMP echo, are a fragment, or have a wrong checksum */
export function parseEcho(bytes: Buffer): EchoPacket | undefined {
  const packet = parseIpv4Packet(bytes);
  if (packet?.protocol !== ipProtocols.icmp || packet.payload.length < HEADER) return undefined;
  const { source, destination, payload: message } = packet;
  if (message.readUInt8(1) !== 0 || internetChecksum(message) !== 0) return undefined;
  const kind = message.readUInt8(0) === types.request ? "request" : "reply";
  if (types[kind] !== message.readUInt8(0)) return undefined;
  return {
    kind,
    source,
    destination,
    identifier: message.readUInt16BE(4),
    sequence: message.readUInt16BE(6),
    data: message.subarray(HEADER),
  };
}

export function formatEcho({ kind, source, destination, identifier, sequence, data }: EchoPacket): Buffer {
  const payload = Buffer.alloc(HEADER + data.length);
  payload.writeUInt8(types[kind], 0);
  payload.writeUInt16BE(identifier, 4);
  payload.writeUInt16BE(sequence, 6);
  payload.set(data, HEADER);
  payload.writeUInt16BE(internetChecksum(payload), 2);
  return formatIpv4Packet({ source, destination, protocol: ipProtocols.icmp, payload });
}
