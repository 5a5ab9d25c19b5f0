/**
 * The checksum of POSIX cksum(1), which every guest has: CRC-32 with polynomial 0x04C11DB7, most significant bit first,
 * over the bytes and then their number.
 * Source: POSIX.1-2017, Utilities, cksum.
 */

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 0x80000000 ? (sum << 1) ^ 0x04c11db7 : sum << 1;
  return sum;
});

/** @returns the first number that `cksum` prints for these bytes */
export function cksum(data: Uint8Array | string): number {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  let sum = 0;
  const take = (byte: number): void => {
    sum = (sum << 8) ^ (table[((sum >>> 24) ^ byte) & 0xff] ?? 0);
  };
  for (const byte of bytes) take(byte);
  for (let length = bytes.length; length > 0; length = Math.floor(length / 256)) take(length & 0xff);
  return ~sum >>> 0;
}
