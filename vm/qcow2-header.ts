/**
 * Parses the header of a qcow or qcow2 file, as far as it names other files.
 * Source: QEMU docs/interop/qcow2.rst ("General", "Header extensions").
 */

export interface Qcow2Header {
  /** 1 is qcow, 2 and 3 are qcow2. */
  readonly version: number;
  /** Name of the backing file, as in the header: relative to this file's folder, or with a protocol. */
  readonly backing: string | undefined;
  /** Name of the external data file, in the same form; "" if the header does not name it. */
  readonly dataFile: string | undefined;
  readonly isEncrypted: boolean;
  /** Whether the file is marked as corrupt. QEMU opens it only for reading until it is repaired. */
  readonly isCorrupt: boolean;
}

/** Enough for every header: all names are in the first cluster, and QEMU's default cluster has this size. */
export const QCOW2_HEADER_BYTES = 64 * 1024;

const V2_LENGTH = 72;
const DATA_FILE_EXTENSION = 0x44415441;
/** Bits of incompatible_features. */
const CORRUPT = 2n;
const EXTERNAL_DATA = 4n;

export const isQcow = (head: Buffer): boolean => head.toString("latin1", 0, 4) === "QFI\xfb";

/**
 * @param head the first QCOW2_HEADER_BYTES of the file, or the whole file if it is shorter
 * @returns undefined if the header is truncated, so that QEMU reports the error
 */
export function parseQcow2Header(head: Buffer): Qcow2Header | undefined {
  if (!isQcow(head) || head.length < V2_LENGTH) return undefined;
  const version = head.readUInt32BE(4);
  const backingAt = Number(head.readBigUInt64BE(8));
  const backing = backingAt === 0 ? undefined : head.toString("utf8", backingAt, backingAt + head.readUInt32BE(16));
  const isV3 = version >= 3 && head.length >= 104;
  const incompatible = isV3 ? head.readBigUInt64BE(72) : 0n;
  const extensions = readExtensions(head, isV3 ? head.readUInt32BE(100) : V2_LENGTH);
  return {
    version,
    backing,
    dataFile: (incompatible & EXTERNAL_DATA) === 0n ? undefined : (extensions.get(DATA_FILE_EXTENSION) ?? ""),
    isEncrypted: version >= 2 && head.readUInt32BE(32) !== 0,
    isCorrupt: (incompatible & CORRUPT) !== 0n,
  };
}

/** The texts of the header extensions, by type. */
function readExtensions(head: Buffer, start: number): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (let at = start; at + 8 <= head.length; ) {
    const type = head.readUInt32BE(at);
    const length = head.readUInt32BE(at + 4);
    if (type === 0) break;
    found.set(type, head.toString("utf8", at + 8, at + 8 + length));
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return found;
}
