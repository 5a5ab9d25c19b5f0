/** Parses the options of a command of one letter each, as getopt(3) does. */

import { parseArgs } from "node:util";

/**
 * @param {readonly string[]} args
 * @param {{flags: readonly string[], values?: readonly string[]}} letters options without and with a value, e.g. "f"
 * @returns {{values: Readonly<Record<string, string | boolean>>, positionals: readonly string[]}}
 * @throws Error whose message is one phrase, for an unknown option or a missing value
 */
export function parseOptions(args, { flags, values = [] }) {
  const typed = (type, letters) => letters.map((short) => [short, { type, short }]);
  const options = Object.fromEntries([...typed("boolean", flags), ...typed("string", values)]);
  try {
    return parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    // Node adds advice after the first sentence.
    throw new Error(error.message.split(/\.(?:\s|$)/)[0]);
  }
}
