/** Parsers for the texts that sysinfo reads. From malformed text they return the usable part. */

/** Parses JSON; undefined if the text is not JSON. */
export function json(text) {
  try {
    return JSON.parse(text);
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
  return Object.fromEntries(pairs(text));
}

/**
 * The booter's facts about the boot NIC from ip= and BOOTIF=. Only arguments with the parts of the booter's count, and the
 * last of them wins, as in early boot (early-boot/booter-arguments.sh).
 *
 * @param {string} text the kernel command line
 * @returns {{ip?: string, netmask?: string, mac?: string}} `mac` has dashes, as in BOOTIF
 */
export function bootNicArguments(text = "") {
  const found = {};
  for (const [key, value] of pairs(text)) {
    const [, ip, netmask] = (key === "ip" && /^([\d.]+):[^:]*:[^:]*:([\d.]+)(?::|$)/.exec(value)) || [];
    if (isDotted(ip) && isDotted(netmask)) Object.assign(found, { ip, netmask });
    if (key === "BOOTIF" && /^[0-9a-f]{2}(-[0-9a-f]{2}){6}$/i.test(value)) found.mac = value.slice("01-".length);
  }
  return found;
}

const isDotted = (address) => address?.split(".").length === 4;

/** The arguments that have a value, as pairs of key and value, in their order. */
function pairs(text) {
  const words = text.match(/(?:"[^"]*"?|[^\s"])+/g) ?? [];
  return words
    .map((word) => word.replaceAll('"', ""))
    .filter((word) => word.indexOf("=") > 0)
    .map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]);
}
