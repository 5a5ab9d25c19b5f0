/** ARP for IPv4 on Ethernet. Source: RFC 826. */
import { formatMac, parseMac } from "./ethernet.js";

export interface ArpPacket {
  readonly operation: "request" | "reply";
  readonly senderMac: string;
  /** As a 32-bit number (cn-files/ipv4.ts). */
  readonly senderIp: number;
  readonly targetMac: string;
  readonly targetIp: number;
}

/** Ethernet, IPv4, their address lengths. */
const HEADER = Buffer.from("000108000604", "hex");
const LENGTH = 28;

/** @returns undefined if the bytes are not a request or reply for IPv4 on Ethernet */
export function parseArp(bytes: Buffer): ArpPacket | undefined {
  if (bytes.length < LENGTH || !bytes.subarray(0, 6).equals(HEADER)) return undefined;
  const operation = ({ 1: "request", 2: "reply" } as const)[bytes.readUInt16BE(6)];
  if (operation === undefined) return undefined;
  return {
    operation,
    senderMac: formatMac(bytes.subarray(8)),
    senderIp: bytes.readUInt32BE(14),
    targetMac: formatMac(bytes.subarray(18)),
    targetIp: bytes.readUInt32BE(24),
  };
}

export function formatArp(packet: ArpPacket): Buffer {
  const bytes = Buffer.alloc(LENGTH);
  HEADER.copy(bytes);
  bytes.writeUInt16BE(packet.operation === "request" ? 1 : 2, 6);
  bytes.set(parseMac(packet.senderMac), 8);
  bytes.writeUInt32BE(packet.senderIp, 14);
  bytes.set(parseMac(packet.targetMac), 18);
  bytes.writeUInt32BE(packet.targetIp, 24);
  return bytes;
}
