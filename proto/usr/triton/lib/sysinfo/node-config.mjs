/**
 * Reads node.config. docs/node-config.md of the image's sources describes its form. Early boot (early-boot/node-config.sh) and
 * the boot test (harness/cn-files/node-config.ts) read it in the same way; fixtures/node-config checks that all three agree.
 */

const assignment = /^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s;
/** The value in single quotes, in double quotes or bare, and an optional comment after it. */
const word = /^(?:'([^']*(?:'\\''[^']*)*)'|"([^"\\]*(?:\\.[^"\\]*)*)"|([^ \t'"\\;&|<>()`]*))(?:[ \t]+(?:#.*)?)?$/s;
/** Longest line in bytes, without its line feed: early boot's shell takes too long for longer ones. */
const LONGEST_LINE = 1024;
const control = /[\x01-\x08\x0b-\x1f\x7f]/;

/**
 * @param {string} text
 * @returns {Record<string, string>} the value of each key, from its last line; a key whose last line is malformed is left out
 */
export function nodeConfig(text = "") {
  const values = new Map();
  for (const line of text.replaceAll("\0", "").split("\n")) {
    const bytes = Buffer.from(line);
    const isTooLong = bytes.length > LONGEST_LINE;
    const trimmed = bytes
      .toString("utf8", 0, LONGEST_LINE)
      .replace(/^\ufeff/, "")
      .replace(/\r$/, "")
      .replace(/^[ \t]+/, "");
    const [, key, rest = ""] = assignment.exec(trimmed) ?? [];
    if (key === undefined) continue;
    const [matched, single, double, bare] = isTooLong || control.test(rest) ? [] : (word.exec(rest) ?? []);
    if (matched === undefined) values.delete(key);
    else values.set(key, single?.replaceAll("'\\''", "'") ?? double?.replace(/\\(["\\$`])/g, "$1") ?? bare);
  }
  return Object.fromEntries(values);
}
