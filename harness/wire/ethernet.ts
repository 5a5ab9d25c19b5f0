/**
 * Parses and formats Ethernet II frames with at most one 802.1Q tag.
 * Source: IEEE 802.3 clause 3, IEEE 802.1Q clause 9.
 */

export const etherTypes = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, slow: 0x8809 } as const;

export const BROADCAST = "ff:ff:ff:ff:ff:ff";

/** Shortest frame in bytes, without the frame check sequence. */
const SHORTEST_FRAME = 60;

export interface EthernetFrame {
  /** Lower case, with colons. */
  readonly destination: string;
  readonly source: string;
  /** VLAN id, 0 for a frame without a tag. */
  readonly vlan: number;
  readonly etherType: number;
  /** May end in padding. */
  readonly payload: Buffer;
}

/** @returns undefined if the bytes end within the header */
export function parseFrame(bytes: Buffer): EthernetFrame | undefined {
  if (bytes.length < 14) return undefined;
  const tagged = bytes.readUInt16BE(12) === etherTypes.vlan;
  if (tagged && bytes.length < 18) return undefined;
  return {
    destination: formatMac(bytes),
    source: formatMac(bytes.subarray(6)),
    vlan: tagged ? bytes.readUInt16BE(14) & 0xfff : 0,
    etherType: bytes.readUInt16BE(tagged ? 16 : 12),
    payload: bytes.subarray(tagged ? 18 : 14),
  };
}

/** Formats a frame, with padding up to the shortest length. */
export function formatFrame({ destination, source, vlan, etherType, payload }: EthernetFrame): Buffer {
  const header = vlan === 0 ? 14 : 18;
  const bytes = Buffer.alloc(Math.max(SHORTEST_FRAME, header + payload.length));
  bytes.set(parseMac(destination), 0);
  bytes.set(parseMac(source), 6);
  if (vlan !== 0) {
    bytes.writeUInt16BE(etherTypes.vlan, 12);
    bytes.writeUInt16BE(vlan, 14);
  }
  bytes.writeUInt16BE(etherType, header - 2);
  bytes.set(payload, header);
  return bytes;
}

/** The first six bytes as a MAC address: lower case, with colons. */
export function formatMac(bytes: Buffer): string {
  return bytes.toString("hex", 0, 6).replace(/(..)(?!$)/g, "$1:");
}

export function parseMac(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}
