/**
 * Reads an inventory of disks from text, as diskinfo(8) of SmartOS prints it with -Hp: one disk a line, its fields separated by
 * tabs. Empty lines do not count.
 */

import { LayoutError } from "./layout-error.mjs";

const FIELDS = "type, name, vendor, product, bytes, removable (yes or no), solid state (yes or no)";

/**
 * @param {string} text
 * @param {string} source name of the file, for messages
 * @returns {import("./disk-groups.mjs").Disk[]}
 * @throws LayoutError if a line has other fields, or a name occurs twice. No line is skipped: a layout without one of the disks
 *   would be another one.
 */
export function parseDisks(text, source) {
  const names = new Set();
  return text.split("\n").flatMap((line, index) => {
    if (line.trim() === "") return [];
    const refuse = (what) => {
      throw new LayoutError(`${source} line ${index + 1}: ${what}; a line has, between tabs: ${FIELDS}`);
    };
    const fields = line.replace(/\r$/, "").split("\t");
    if (fields.length !== 7) refuse(`${fields.length} fields instead of 7`);
    const [type, name, vid, pid, bytes, removable, solidState] = fields;
    if (!/^[^\s-]\S*$/.test(name)) refuse(`${quoted(name)} is not the name of a disk`);
    if (names.has(name)) refuse(`disk ${name} occurs twice`);
    names.add(name);
    const size = Number(bytes);
    if (!/^\d+$/.test(bytes) || !Number.isSafeInteger(size)) refuse(`size ${quoted(bytes)} is not a number of bytes`);
    const flag = (value, what) =>
      ["yes", "no"].includes(value) ? value === "yes" : refuse(`${what} is ${quoted(value)} instead of yes or no`);
    return [
      {
        type,
        name,
        vid,
        pid,
        size,
        removable: flag(removable, "removable"),
        solid_state: flag(solidState, "solid state"),
      },
    ];
  });
}

/** At most 40 characters of a text, in quotes, on one line. */
const quoted = (text) => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
