/**
 * Parses one line of node.config. docs/node-config.md specifies its form.
 * The image has two more parsers (proto/usr/triton/lib/early-boot/node-config.sh,
 * proto/usr/triton/lib/sysinfo/node-config.mjs). The tests run all three on the cases in fixtures/node-config.
 */

/** `problem` completes the sentence "this line …"; `key` is undefined if the line has none. */
export type NodeConfigLine =
  | { readonly kind: "nothing" }
  | { readonly kind: "assignment"; readonly key: string; readonly value: string }
  | { readonly kind: "unreadable"; readonly key: string | undefined; readonly problem: string };

/** Longest line in bytes, without its line feed: early boot's shell takes too long for longer ones. */
const LONGEST_LINE = 1024;
const assignment = /^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s;
const control = /[\u0001-\u0008\u000b-\u001f\u007f]/;
const singleQuoted = /^'([^']*(?:'\\''[^']*)*)'/;
const doubleQuoted = /^"([^"\\]*(?:\\.[^"\\]*)*)"/s;
const bare = /^[^ \t]*/;

/** @param text without its line feed; NUL bytes are ignored, as in a shell */
export function parseNodeConfigLine(text: string): NodeConfigLine {
  const bytes = Buffer.from(text.replaceAll("\0", ""));
  const isTooLong = bytes.length > LONGEST_LINE;
  const trimmed = bytes
    .toString("utf8", 0, LONGEST_LINE)
    .replace(/^\ufeff/, "")
    .replace(/\r$/, "")
    .replace(/^[ \t]+/, "");
  if (trimmed.startsWith("#") || (trimmed === "" && !isTooLong)) return { kind: "nothing" };
  const [, key, rest = ""] = assignment.exec(trimmed) ?? [];
  if (key === undefined) return { kind: "unreadable", key, problem: "does not begin with KEY=" };
  const unreadable = (problem: string): NodeConfigLine => ({ kind: "unreadable", key, problem });

  if (isTooLong) return unreadable(`is longer than ${LONGEST_LINE} bytes`);
  if (control.test(rest)) return unreadable("contains a control character");
  const isQuoted = /^['"]/.test(rest);
  const word = takeWord(rest);
  if (word === undefined) return unreadable("has no closing quote");
  if (!isQuoted && /['"\\;&|<>()`]/.test(word.matched)) {
    return unreadable("has an unquoted character that is special to a shell");
  }
  const after = rest.slice(word.matched.length);
  if (/^[^ \t]/.test(after)) return unreadable("has text directly after its closing quote");
  if (!/^[ \t]*(?:#|$)/.test(after)) return unreadable("has text after its value");
  return { kind: "assignment", key, value: word.value };
}

interface Word {
  /** As written in the line. */
  readonly matched: string;
  /** Without its quotes and escapes. */
  readonly value: string;
}

/** Reads the value at the beginning of `rest`. @returns undefined if its closing quote is missing */
function takeWord(rest: string): Word | undefined {
  if (rest.startsWith("'")) {
    const [matched, inside = ""] = singleQuoted.exec(rest) ?? [];
    return matched === undefined ? undefined : { matched, value: inside.replaceAll("'\\''", "'") };
  }
  if (rest.startsWith('"')) {
    const [matched, inside = ""] = doubleQuoted.exec(rest) ?? [];
    return matched === undefined ? undefined : { matched, value: inside.replace(/\\(["\\$`])/g, "$1") };
  }
  const [matched = ""] = bare.exec(rest) ?? [];
  return { matched, value: matched };
}
