/** Parses and formats LACP messages. Source: IEEE 802.1AX-2008, 5.4.2 (LACPDU structure, version 1). */
import { formatMac, parseMac } from "./ethernet.js";

/** Destination of LACPDUs. Bridges do not forward frames to it. */
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

/** One end of a link, as an LACPDU describes it. */
export interface LacpEnd {
  readonly systemPriority: number;
  readonly system: string;
  /** Ports with the same system and key can be aggregated. */
  readonly key: number;
  readonly portPriority: number;
  readonly port: number;
  readonly state: number;
}

export interface Lacpdu {
  /** The sender's own end. */
  readonly actor: LacpEnd;
  /** The other end, as the sender knows it. */
  readonly partner: LacpEnd;
}

/** The subtype of LACP among the slow protocols, and the version. */
const HEADER = 0x0101;
const ACTOR = 0x0114;
const PARTNER = 0x0214;
const COLLECTOR = 0x0310;
const LENGTH = 110;

/** @param bytes payload of a slow-protocols frame @returns undefined if it is not an LACPDU */
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
