/** Parsers for the texts that sysinfo reads. From malformed text they return the usable part. */

import { isIPv4 } from "node:net";

/** Parses JSON, after a byte order mark or not, as jq does for early boot; undefined if the text is not JSON. */
export function json(text) {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    return undefined;
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Parses a JSON object; undefined for anything else. */
export function jsonObject(text) {
  const value = json(text);
  return isObject(value) ? value : undefined;
}

/** The objects in a value that should be an array of objects. */
export const objects = (value) => (Array.isArray(value) ? value.filter(isObject) : []);

/**
 * The kernel's arguments that have a value. Double quotes protect spaces and are not part of the value, as in the kernel
 * (lib/cmdline.c). If a key occurs twice, the last one counts.
 */
export function kernelArguments(text = "") {
  const words = text.match(/(?:"[^"]*"?|[^\s"])+/g) ?? [];
  return Object.fromEntries(pairs(words.map((word) => word.replaceAll('"', ""))));
}

/**
 * The booter's facts about the boot NIC from ip= and BOOTIF=. Only arguments with the parts of the booter's count, and the
 * last of them wins, as in early boot (early-boot/booter-arguments.sh). To its shell quotes are part of a word.
 *
 * @param {string} text the kernel command line
 * @returns {{ip?: string, netmask?: string, mac?: string}} `mac` has dashes, as in BOOTIF
 */
export function bootNicArguments(text = "") {
  const found = {};
  for (const [key, value] of pairs(text.split(/[ \t\n]+/))) {
    const [ip, , , netmask] = key === "ip" ? value.split(":") : [];
    if (ip !== "0.0.0.0" && isIPv4(ip) && isNetmask(netmask)) Object.assign(found, { ip, netmask });
    if (key === "BOOTIF" && /^[0-9a-f]{2}(-[0-9a-f]{2}){6}$/i.test(value)) found.mac = value.slice("01-".length);
  }
  return found;
}

/** Whether a text is an IPv4 address of one bits, at least one, and then zero bits. */
function isNetmask(text) {
  const bits = (octet) => Number(octet).toString(2).padStart(8, "0");
  return isIPv4(text) && /^1+0*$/.test(text.split(".").map(bits).join(""));
}

/** The words that have a value, as pairs of key and value, in their order. */
function pairs(words) {
  return words
    .filter((word) => word.indexOf("=") > 0)
    .map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]);
}
