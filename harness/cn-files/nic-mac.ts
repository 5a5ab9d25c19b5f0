/**
 * Whether a text is the MAC of a NIC: neither a group address, which has the lowest bit of its first byte set, nor all zeros,
 * which QEMU and Linux take for "not set". The image has the same rule (is_mac in networking-values.jq).
 */
export const isNicMac = (text: string): boolean =>
  /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(text) && text !== "00:00:00:00:00:00";
