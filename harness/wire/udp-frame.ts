/** UDP datagrams in Ethernet frames, as services on the wire read and write them. */
import { type EthernetFrame, etherTypes, formatFrame, parseFrame } from "./ethernet.js";
import { ipProtocols } from "./ipv4-packet.js";
import { formatUdp, parseUdp, type UdpDatagram } from "./udp-datagram.js";

export interface UdpFrame extends Omit<EthernetFrame, "etherType" | "payload"> {
  readonly datagram: UdpDatagram;
}

/** @returns undefined if the frame does not hold a whole UDP datagram */
export function parseUdpFrame(bytes: Buffer): UdpFrame | undefined {
  // Nearly all frames are TCP. The protocol byte rejects them without a full parse.
  if (bytes.length < 24 || (bytes[23] !== ipProtocols.udp && bytes.readUInt16BE(12) === etherTypes.ipv4))
    return undefined;
  const frame = parseFrame(bytes);
  if (frame?.etherType !== etherTypes.ipv4) return undefined;
  const datagram = parseUdp(frame.payload);
  return datagram && { destination: frame.destination, source: frame.source, vlan: frame.vlan, datagram };
}

/** @param identification see formatUdp */
export function formatUdpFrames({ datagram, ...addresses }: UdpFrame, identification: number): Buffer[] {
  return formatUdp(datagram, identification).map((payload) =>
    formatFrame({ ...addresses, etherType: etherTypes.ipv4, payload }),
  );
}

/** The answer to a frame: source and destination are swapped. */
export function answerTo({ destination, source, vlan, datagram }: UdpFrame, data: Buffer): UdpFrame {
  return {
    destination: source,
    source: destination,
    vlan,
    datagram: {
      sourceIp: datagram.destinationIp,
      sourcePort: datagram.destinationPort,
      destinationIp: datagram.sourceIp,
      destinationPort: datagram.sourcePort,
      data,
    },
  };
}
