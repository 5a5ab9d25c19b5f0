/** Text of the forms that sysinfo reads → values. Text that is not of its form gives what can be used of it. */

/** What JSON text says; undefined if it is none. */
export function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** JSON that has to be an object; undefined for everything else. */
export function jsonObject(text) {
  const value = json(text);
  return isObject(value) ? value : undefined;
}

/** The objects of a value that ought to be an array of them. */
export const objects = (value) => (Array.isArray(value) ? value.filter(isObject) : []);

/**
 * The kernel's arguments that have a value. Double quotes keep spaces together and are not part of the value, as the
 * kernel has it (lib/cmdline.c); of a key that is there twice the last counts.
 */
export function kernelArguments(text = "") {
  return Object.fromEntries(pairs(text));
}

/**
 * What the booter says of the boot NIC in ip= and BOOTIF=. Of several arguments the last that has what the booter's has
 * counts, as in early boot (early-boot/booter-arguments.sh).
 *
 * @param {string} text the kernel command line
 * @returns {{ip?: string, netmask?: string, mac?: string}} `mac` as BOOTIF has it: with dashes
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

/** Arguments that have a value, with it, in their order. */
function pairs(text) {
  const words = text.match(/(?:"[^"]*"?|[^\s"])+/g) ?? [];
  return words
    .map((word) => word.replaceAll('"', ""))
    .filter((word) => word.indexOf("=") > 0)
    .map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]);
}
