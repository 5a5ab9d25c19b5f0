/**
 * Parses and formats DHCP messages. dhcp-rules.ts decides the answers.
 * Source: RFC 2131, 2 (layout); RFC 2132 (options).
 */
import { formatMac, parseMac } from "../wire/ethernet.js";

export interface DhcpMessage {
  /** 1 for a client's message, 2 for a reply. */
  readonly op: number;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  readonly flags: number;
  /** Addresses as 32-bit numbers (cn-files/ipv4.ts). */
  readonly ciaddr: number;
  readonly yiaddr: number;
  readonly siaddr: number;
  readonly giaddr: number;
  /** The client's MAC, lower case, with colons. */
  readonly mac: string;
  /** All 64 bytes. */
  readonly sname: Buffer;
  readonly file: string;
  readonly options: ReadonlyMap<number, Buffer>;
}

/** Codes of the options that booter reads or writes. */
export const dhcpOptions = {
  subnetMask: 1,
  router: 3,
  domainNameServers: 6,
  leaseTime: 51,
  messageType: 53,
  serverId: 54,
  classId: 60,
  userClass: 77,
  relayAgent: 82,
  architecture: 93,
} as const;

export const messageTypes = { discover: 1, offer: 2, request: 3, ack: 5 } as const;

const PAD = 0;
const END = 255;
const ETHERNET = 1;
const MAC_LENGTH = 6;
const SNAME = { offset: 44, length: 64 } as const;
const FILE = { offset: 108, length: 128 } as const;
const COOKIE = Buffer.from("63825363", "hex");
const COOKIE_OFFSET = 236;
const OPTIONS_OFFSET = 240;
/** BOOTP's minimum in bytes. Relays and old clients drop shorter messages. */
const SHORTEST_MESSAGE = 300;

/** @returns undefined if the bytes are not DHCP on Ethernet, or end within an option */
export function parseDhcp(bytes: Buffer): DhcpMessage | undefined {
  if (bytes.length < OPTIONS_OFFSET || !bytes.subarray(COOKIE_OFFSET, OPTIONS_OFFSET).equals(COOKIE)) return undefined;
  if (bytes.readUInt8(1) !== ETHERNET || bytes.readUInt8(2) !== MAC_LENGTH) return undefined;
  const options = parseOptions(bytes.subarray(OPTIONS_OFFSET));
  if (options === undefined) return undefined;
  const file = bytes.subarray(FILE.offset, FILE.offset + FILE.length);
  const fileEnd = file.indexOf(0);
  return {
    op: bytes.readUInt8(0),
    hops: bytes.readUInt8(3),
    xid: bytes.readUInt32BE(4),
    secs: bytes.readUInt16BE(8),
    flags: bytes.readUInt16BE(10),
    ciaddr: bytes.readUInt32BE(12),
    yiaddr: bytes.readUInt32BE(16),
    siaddr: bytes.readUInt32BE(20),
    giaddr: bytes.readUInt32BE(24),
    mac: formatMac(bytes.subarray(28)),
    sname: Buffer.from(bytes.subarray(SNAME.offset, SNAME.offset + SNAME.length)),
    file: file.toString("latin1", 0, fileEnd === -1 ? FILE.length : fileEnd),
    options,
  };
}

/** If an option appears twice, the last one counts, as in booter. */
function parseOptions(bytes: Buffer): Map<number, Buffer> | undefined {
  const options = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length && bytes[at] !== END; ) {
    if (bytes[at] === PAD) {
      at += 1;
      continue;
    }
    const end = at + 2 + (bytes[at + 1] ?? Number.NaN);
    if (!(end <= bytes.length)) return undefined;
    options.set(bytes.readUInt8(at), Buffer.from(bytes.subarray(at + 2, end)));
    at = end;
  }
  return options;
}

/** Writes the options in ascending order. */
export function formatDhcp(message: DhcpMessage): Buffer {
  const head = Buffer.alloc(OPTIONS_OFFSET);
  head.writeUInt8(message.op, 0);
  head.writeUInt8(ETHERNET, 1);
  head.writeUInt8(MAC_LENGTH, 2);
  head.writeUInt8(message.hops, 3);
  head.writeUInt32BE(message.xid, 4);
  head.writeUInt16BE(message.secs, 8);
  head.writeUInt16BE(message.flags, 10);
  head.writeUInt32BE(message.ciaddr, 12);
  head.writeUInt32BE(message.yiaddr, 16);
  head.writeUInt32BE(message.siaddr, 20);
  head.writeUInt32BE(message.giaddr, 24);
  head.set(parseMac(message.mac), 28);
  head.set(message.sname.subarray(0, SNAME.length), SNAME.offset);
  head.write(message.file, FILE.offset, FILE.length, "latin1");
  head.set(COOKIE, COOKIE_OFFSET);
  const options = [...message.options]
    .sort(([a], [b]) => a - b)
    .map(([code, value]) => Buffer.concat([Buffer.from([code, value.length]), value]));
  const bytes = Buffer.concat([head, ...options, Buffer.from([END])]);
  return Buffer.concat([bytes, Buffer.alloc(Math.max(0, SHORTEST_MESSAGE - bytes.length))]);
}
