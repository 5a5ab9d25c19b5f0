/**
 * UDP over IPv4: whole datagrams are read, and longer ones than a frame holds are written as fragments.
 * Source: RFC 768, RFC 791 (header, fragmentation).
 * Not here: the frames around them (ethernet.ts).
 */
import { internetChecksum } from "./internet-checksum.js";

export interface UdpDatagram {
  /** Addresses as 32-bit numbers (ipv4.ts). */
  readonly sourceIp: number;
  readonly sourcePort: number;
  readonly destinationIp: number;
  readonly destinationPort: number;
  readonly data: Buffer;
}

const IP_HEADER = 20;
const UDP_HEADER = 8;
const PROTOCOL_UDP = 17;
const TIME_TO_LIVE = 64;
/** What an Ethernet frame carries, in bytes. */
const MTU = 1_500;
/** Fragments begin at multiples of 8 bytes. */
const FRAGMENT_BYTES = (MTU - IP_HEADER) & ~7;
const MORE_FRAGMENTS = 0x2000;

/** @param packet an IPv4 packet, perhaps with padding behind it @returns undefined for another one, a fragment, or a wrong checksum */
export function parseUdp(packet: Buffer): UdpDatagram | undefined {
  if (packet.length < IP_HEADER + UDP_HEADER || packet.readUInt8(0) >> 4 !== 4) return undefined;
  const header = (packet.readUInt8(0) & 0xf) * 4;
  const length = packet.readUInt16BE(2);
  if (header < IP_HEADER || length > packet.length || length < header + UDP_HEADER) return undefined;
  const isFragment = (packet.readUInt16BE(6) & 0x3fff) !== 0;
  if (isFragment || packet.readUInt8(9) !== PROTOCOL_UDP) return undefined;
  if (internetChecksum(packet.subarray(0, header)) !== 0) return undefined;
  const [sourceIp, destinationIp] = [packet.readUInt32BE(12), packet.readUInt32BE(16)];
  const udpLength = packet.readUInt16BE(header + 4);
  if (udpLength < UDP_HEADER || header + udpLength > length) return undefined;
  const udp = packet.subarray(header, header + udpLength);
  // A checksum of 0 says that there is none.
  if (udp.readUInt16BE(6) !== 0 && udpChecksum(udp, sourceIp, destinationIp) !== 0) return undefined;
  return {
    sourceIp,
    sourcePort: udp.readUInt16BE(0),
    destinationIp,
    destinationPort: udp.readUInt16BE(2),
    data: udp.subarray(UDP_HEADER),
  };
}

/**
 * @param identification tells fragments of one datagram from those of others: another one for each, 16 bits of it count
 * @returns IPv4 packets, more than one where the datagram does not fit into a frame
 */
export function formatUdp(datagram: UdpDatagram, identification: number): Buffer[] {
  const { sourceIp, destinationIp, data } = datagram;
  const udp = Buffer.alloc(UDP_HEADER + data.length);
  udp.writeUInt16BE(datagram.sourcePort, 0);
  udp.writeUInt16BE(datagram.destinationPort, 2);
  udp.writeUInt16BE(udp.length, 4);
  udp.set(data, UDP_HEADER);
  udp.writeUInt16BE(udpChecksum(udp, sourceIp, destinationIp) || 0xffff, 6);
  const packets: Buffer[] = [];
  for (let offset = 0; offset < udp.length; offset += FRAGMENT_BYTES) {
    const part = udp.subarray(offset, offset + FRAGMENT_BYTES);
    const packet = Buffer.alloc(IP_HEADER + part.length);
    packet.writeUInt8(0x45, 0);
    packet.writeUInt16BE(packet.length, 2);
    packet.writeUInt16BE(identification & 0xffff, 4);
    packet.writeUInt16BE(offset / 8 + (offset + part.length < udp.length ? MORE_FRAGMENTS : 0), 6);
    packet.writeUInt8(TIME_TO_LIVE, 8);
    packet.writeUInt8(PROTOCOL_UDP, 9);
    packet.writeUInt32BE(sourceIp, 12);
    packet.writeUInt32BE(destinationIp, 16);
    packet.writeUInt16BE(internetChecksum(packet.subarray(0, IP_HEADER)), 10);
    packet.set(part, IP_HEADER);
    packets.push(packet);
  }
  return packets;
}

/** Over the datagram and the pseudo header in front of it. @returns 0 for one that holds its own right checksum */
function udpChecksum(udp: Buffer, sourceIp: number, destinationIp: number): number {
  const pseudoHeader = Buffer.alloc(12);
  pseudoHeader.writeUInt32BE(sourceIp, 0);
  pseudoHeader.writeUInt32BE(destinationIp, 4);
  pseudoHeader.writeUInt8(PROTOCOL_UDP, 9);
  pseudoHeader.writeUInt16BE(udp.length, 10);
  return internetChecksum(Buffer.concat([pseudoHeader, udp]));
}
