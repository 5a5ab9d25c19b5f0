/** IPv4 addresses as 32-bit numbers. */

/** "10.99.99.38" → 0x0a636326. The text must be well-formed. */
export function parseIpv4(text: string): number {
  return text.split(".").reduce((value, part) => value * 256 + Number(part), 0);
}

/** 0x0a636326 → "10.99.99.38" */
export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

/** Whether an address can be a host's: not of "this network", loopback, multicast or reserved. The text must be well-formed. */
export function isHostAddress(text: string): boolean {
  const first = Number(text.split(".")[0]);
  return first >= 1 && first <= 223 && first !== 127;
}

/** Whether a mask has 1 bits, and all of them come before its 0 bits. */
export function isNetmask(text: string): boolean {
  const hosts = ~parseIpv4(text) >>> 0;
  return hosts !== 0xffff_ffff && (hosts & (hosts + 1)) === 0;
}

/** Whether two addresses are of one network. */
export function isSameNetwork(one: string, other: string, netmask: string): boolean {
  return ((parseIpv4(one) ^ parseIpv4(other)) & parseIpv4(netmask)) === 0;
}

/** "255.255.255.0" → 24 */
export function prefixLength(netmask: string): number {
  return 32 - Math.log2((~parseIpv4(netmask) >>> 0) + 1);
}

/** 24 → "255.255.255.0" */
export function netmaskOf(prefix: number): string {
  return formatIpv4(2 ** 32 - 2 ** (32 - prefix));
}
