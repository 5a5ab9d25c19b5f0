/** The checksum of IPv4 headers, ICMP and UDP. Source: RFC 1071. */

/** @returns 0 if the bytes contain their correct checksum; if the checksum field is still 0, the value for that field */
export function internetChecksum(bytes: Buffer): number {
  let sum = 0;
  for (let index = 0; index + 1 < bytes.length; index += 2) sum += bytes.readUInt16BE(index);
  if (bytes.length % 2 === 1) sum += bytes.readUInt8(bytes.length - 1) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}
