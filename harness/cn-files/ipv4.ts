/** IPv4 addresses as 32-bit numbers. */

/** "10.99.99.38" → 0x0a636326. The text must be well-formed. */
export function parseIpv4(text: string): number {
  return text.split(".").reduce((value, part) => value * 256 + Number(part), 0);
}

/** 0x0a636326 → "10.99.99.38" */
export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

/** Whether all 1 bits of a mask come before its 0 bits. */
export function isNetmask(text: string): boolean {
  const hosts = ~parseIpv4(text) >>> 0;
  return (hosts & (hosts + 1)) === 0;
}

/** "255.255.255.0" → 24 */
export function prefixLength(netmask: string): number {
  return 32 - Math.log2((~parseIpv4(netmask) >>> 0) + 1);
}
