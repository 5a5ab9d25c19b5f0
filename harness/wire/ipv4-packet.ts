/**
 * IPv4 packets without options, whole or in fragments. icmp-echo.ts and udp-datagram.ts handle the payloads.
 * Source: RFC 791 (header, fragmentation).
 */
import { internetChecksum } from "./internet-checksum.js";

export const ipProtocols = { icmp: 1, tcp: 6, udp: 17 } as const;

export interface Ipv4Packet {
  /** Addresses as 32-bit numbers (cn-files/ipv4.ts). */
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly payload: Buffer;
}

const HEADER = 20;
const TIME_TO_LIVE = 64;
/** Longest packet in an Ethernet frame, in bytes. */
const MTU = 1_500;
/** Payload of one fragment, in bytes. Fragments start at multiples of 8 bytes. */
const FRAGMENT_BYTES = (MTU - HEADER) & ~7;
const DO_NOT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;

/** @param bytes may end in padding @returns undefined if it is not IPv4, a fragment, or has a wrong checksum */
export function parseIpv4Packet(bytes: Buffer): Ipv4Packet | undefined {
  if (bytes.length < HEADER || bytes.readUInt8(0) >> 4 !== 4) return undefined;
  const header = (bytes.readUInt8(0) & 0xf) * 4;
  const length = bytes.readUInt16BE(2);
  const isFragment = (bytes.readUInt16BE(6) & 0x3fff) !== 0;
  if (header < HEADER || length < header || length > bytes.length || isFragment) return undefined;
  if (internetChecksum(bytes.subarray(0, header)) !== 0) return undefined;
  return {
    source: bytes.readUInt32BE(12),
    destination: bytes.readUInt32BE(16),
    protocol: bytes.readUInt8(9),
    payload: bytes.subarray(header, length),
  };
}

/** One packet of any length, with the "don't fragment" flag. */
export const formatIpv4Packet = (packet: Ipv4Packet): Buffer =>
  formatPacket(packet, { identification: 0, flagsAndOffset: DO_NOT_FRAGMENT });

/**
 * Formats a packet as fragments, one for each frame.
 * @param identification distinguishes this packet's fragments from others': use a new one per packet; 16 bits of it count
 */
export function formatIpv4Fragments(packet: Ipv4Packet, identification: number): Buffer[] {
  const { payload } = packet;
  const fragments: Buffer[] = [];
  for (let offset = 0; offset === 0 || offset < payload.length; offset += FRAGMENT_BYTES) {
    const part = payload.subarray(offset, offset + FRAGMENT_BYTES);
    const more = offset + part.length < payload.length ? MORE_FRAGMENTS : 0;
    fragments.push(formatPacket({ ...packet, payload: part }, { identification, flagsAndOffset: offset / 8 + more }));
  }
  return fragments;
}

function formatPacket(
  { source, destination, protocol, payload }: Ipv4Packet,
  { identification, flagsAndOffset }: { readonly identification: number; readonly flagsAndOffset: number },
): Buffer {
  const bytes = Buffer.alloc(HEADER + payload.length);
  bytes.writeUInt8(0x45, 0);
  bytes.writeUInt16BE(bytes.length, 2);
  bytes.writeUInt16BE(identification & 0xffff, 4);
  bytes.writeUInt16BE(flagsAndOffset, 6);
  bytes.writeUInt8(TIME_TO_LIVE, 8);
  bytes.writeUInt8(protocol, 9);
  bytes.writeUInt32BE(source, 12);
  bytes.writeUInt32BE(destination, 16);
  bytes.writeUInt16BE(internetChecksum(bytes.subarray(0, HEADER)), 10);
  bytes.set(payload, HEADER);
  return bytes;
}
