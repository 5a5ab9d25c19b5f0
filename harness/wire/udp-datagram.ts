/**
 * UDP over IPv4: parses whole datagrams, and formats datagrams as fragments if one frame cannot hold them.
 * Source: RFC 768.
 */
import { internetChecksum } from "./internet-checksum.js";
import { formatIpv4Fragments, ipProtocols, parseIpv4Packet } from "./ipv4-packet.js";

export interface UdpDatagram {
  /** Addresses as 32-bit numbers (cn-files/ipv4.ts). */
  readonly sourceIp: number;
  readonly sourcePort: number;
  readonly destinationIp: number;
  readonly destinationPort: number;
  readonly data: Buffer;
}

const HEADER = 8;

/** @param packet may end in padding @returns undefined if it is not UDP over IPv4, a fragment, or has a wrong checksum */
export function parseUdp(packet: Buffer): UdpDatagram | undefined {
  const ip = parseIpv4Packet(packet);
  if (ip?.protocol !== ipProtocols.udp || ip.payload.length < HEADER) return undefined;
  const length = ip.payload.readUInt16BE(4);
  if (length < HEADER || length > ip.payload.length) return undefined;
  const udp = ip.payload.subarray(0, length);
  // 0 means that the datagram has no checksum.
  if (udp.readUInt16BE(6) !== 0 && udpChecksum(udp, ip.source, ip.destination) !== 0) return undefined;
  return {
    sourceIp: ip.source,
    sourcePort: udp.readUInt16BE(0),
    destinationIp: ip.destination,
    destinationPort: udp.readUInt16BE(2),
    data: udp.subarray(HEADER),
  };
}

/** @param identification see formatIpv4Fragments @returns IPv4 packets, several if one frame cannot hold the datagram */
export function formatUdp(datagram: UdpDatagram, identification: number): Buffer[] {
  const { sourceIp: source, destinationIp: destination, data } = datagram;
  const payload = Buffer.alloc(HEADER + data.length);
  payload.writeUInt16BE(datagram.sourcePort, 0);
  payload.writeUInt16BE(datagram.destinationPort, 2);
  payload.writeUInt16BE(payload.length, 4);
  payload.set(data, HEADER);
  payload.writeUInt16BE(udpChecksum(payload, source, destination) || 0xffff, 6);
  return formatIpv4Fragments({ source, destination, protocol: ipProtocols.udp, payload }, identification);
}

/** The checksum over pseudo header and datagram. @returns 0 if the datagram contains its correct checksum */
function udpChecksum(udp: Buffer, sourceIp: number, destinationIp: number): number {
  const pseudoHeader = Buffer.alloc(12);
  pseudoHeader.writeUInt32BE(sourceIp, 0);
  pseudoHeader.writeUInt32BE(destinationIp, 4);
  pseudoHeader.writeUInt8(ipProtocols.udp, 9);
  pseudoHeader.writeUInt16BE(udp.length, 10);
  return internetChecksum(Buffer.concat([pseudoHeader, udp]));
}
