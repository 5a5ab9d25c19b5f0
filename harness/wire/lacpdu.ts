/** The messages of LACP. Source: IEEE 802.1AX-2008, 5.4.2 (LACPDU structure, version 1). */
import { formatMac, parseMac } from "./ethernet.js";

/** Where LACPDUs go; no bridge passes it on. */
export const SLOW_PROTOCOLS_MAC = "01:80:c2:00:00:02";

/** The bits of a state. */
export const lacpStates = {
  activity: 0x01,
  shortTimeout: 0x02,
  aggregation: 0x04,
  synchronization: 0x08,
  collecting: 0x10,
  distributing: 0x20,
  defaulted: 0x40,
  expired: 0x80,
} as const;

/** What is said of one end of a link. */
export interface LacpEnd {
  readonly systemPriority: number;
  readonly system: string;
  /** Ports of one system with one key can be aggregated. */
  readonly key: number;
  readonly portPriority: number;
  readonly port: number;
  readonly state: number;
}

export interface Lacpdu {
  /** The sender's own end. */
  readonly actor: LacpEnd;
  /** What the sender holds for the other end. */
  readonly partner: LacpEnd;
}

/** The subtype among the slow protocols, and the version. */
const HEADER = 0x0101;
const ACTOR = 0x0114;
const PARTNER = 0x0214;
const COLLECTOR = 0x0310;
const LENGTH = 110;

/** @param bytes payload of a frame of the slow protocols @returns undefined for another protocol's */
export function parseLacpdu(bytes: Buffer): Lacpdu | undefined {
  if (bytes.length < LENGTH || bytes.readUInt16BE(0) !== HEADER) return undefined;
  if (bytes.readUInt16BE(2) !== ACTOR || bytes.readUInt16BE(22) !== PARTNER) return undefined;
  return { actor: parseEnd(bytes.subarray(4)), partner: parseEnd(bytes.subarray(24)) };
}

export function formatLacpdu({ actor, partner }: Lacpdu): Buffer {
  const bytes = Buffer.alloc(LENGTH);
  bytes.writeUInt16BE(HEADER, 0);
  bytes.writeUInt16BE(ACTOR, 2);
  writeEnd(bytes.subarray(4), actor);
  bytes.writeUInt16BE(PARTNER, 22);
  writeEnd(bytes.subarray(24), partner);
  bytes.writeUInt16BE(COLLECTOR, 42);
  return bytes;
}

const parseEnd = (bytes: Buffer): LacpEnd => ({
  systemPriority: bytes.readUInt16BE(0),
  system: formatMac(bytes.subarray(2)),
  key: bytes.readUInt16BE(8),
  portPriority: bytes.readUInt16BE(10),
  port: bytes.readUInt16BE(12),
  state: bytes.readUInt8(14),
});

function writeEnd(bytes: Buffer, end: LacpEnd): void {
  bytes.writeUInt16BE(end.systemPriority, 0);
  bytes.set(parseMac(end.system), 2);
  bytes.writeUInt16BE(end.key, 8);
  bytes.writeUInt16BE(end.portPriority, 10);
  bytes.writeUInt16BE(end.port, 12);
  bytes.writeUInt8(end.state, 14);
}
