/**
 * Finds the first error in a text that should be JSON. Node 20's own message often gives no position.
 * Source: RFC 8259, sections 2 to 7.
 */
export interface JsonErrorPlace {
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in UTF-16 units. */
  readonly column: number;
  /** Text at that place, at most 20 characters; "end of file" at the end. */
  readonly found: string;
}

const blanks = /[ \t\r\n]*/y;
const word = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/y;
const plainCharacters = /[^"\\\u0000-\u001f]*/y;
/** At most 1,000 at a time; see endOfToken(). */
const escapedCharacters = /(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})){1,1000}/y;

/** What the grammar allows at a place. `after` is the place after a value. */
type Place = "value" | "value or ]" | "key or }" | "key" | "colon" | "after";

/**
 * Deep nesting and long strings use memory, not stack.
 * @returns the place of the first token that JSON does not allow there, or undefined if `text` is JSON
 */
export function findJsonError(text: string): JsonErrorPlace | undefined {
  /** Closing brackets of the open objects and arrays, the innermost last. */
  const open: string[] = [];
  let place: Place = "value";
  let next = 0;
  for (;;) {
    const start = endOf(blanks, text, next) ?? next;
    const end = endOfToken(text, start);
    if (end === undefined) break;
    const following = follow(place, text[start] as string, open);
    if (following === undefined) break;
    place = following;
    next = end;
  }

  const whole = place === "after" && open.length === 0;
  const rest = text.slice(next).search(/[^ \t\r\n]/);
  if (whole && rest === -1) return undefined;
  const at = rest === -1 ? text.length : next + rest;
  const before = text.slice(0, at);
  return {
    line: before.split("\n").length,
    column: at - before.lastIndexOf("\n"),
    found: /^\S{1,20}/.exec(text.slice(at))?.[0] ?? "end of file",
  };
}

/** @returns the end of a match that begins at `from`, or undefined if there is no match */
function endOf(pattern: RegExp, text: string, from: number): number | undefined {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

/** @returns the end of the token that begins at `start`, or undefined if no token begins there */
function endOfToken(text: string, start: number): number | undefined {
  if (text[start] !== '"') return endOf(word, text, start);
  // Matches in pieces: one pattern for a whole string runs out of stack at some millions of characters.
  for (let at: number | undefined = start + 1; at !== undefined; at = endOf(escapedCharacters, text, at)) {
    at = endOf(plainCharacters, text, at) ?? at;
    if (text[at] === '"') return at + 1;
  }
  return undefined;
}

/**
 * Consumes one token, given by its first character.
 * @param open is updated @returns what may follow the token, or undefined if the token is not allowed at `place`
 */
function follow(place: Place, token: string, open: string[]): Place | undefined {
  switch (place) {
    case "colon":
      return token === ":" ? "value" : undefined;
    case "after":
      if (token === "," && open.length > 0) return open.at(-1) === "}" ? "key" : "value";
      return token === open.at(-1) ? close(open) : undefined;
    case "key or }":
      if (token === "}") return close(open);
      return token === '"' ? "colon" : undefined;
    case "key":
      return token === '"' ? "colon" : undefined;
    case "value or ]":
      return token === "]" ? close(open) : openOrEnd(token, open);
    case "value":
      return openOrEnd(token, open);
    default:
      return place satisfies never;
  }
}

function close(open: string[]): Place {
  open.pop();
  return "after";
}

function openOrEnd(token: string, open: string[]): Place | undefined {
  if (token === "{" || token === "[") {
    open.push(token === "{" ? "}" : "]");
    return token === "{" ? "key or }" : "value or ]";
  }
  return "}],:".includes(token) ? undefined : "after";
}
