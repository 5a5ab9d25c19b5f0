/**
 * Where a text stops being JSON. Node 20's own message often gives no position.
 * Source: RFC 8259, sections 2 to 7.
 */
export interface JsonErrorPlace {
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in UTF-16 units. */
  readonly column: number;
  /** What stands there, at most 20 characters; "end of file" at the end. */
  readonly found: string;
}

const token =
  /[ \t\r\n]*("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:])/y;

/** @returns the place of the first thing that no JSON text can have there, or undefined when all of `text` is JSON */
export function findJsonError(text: string): JsonErrorPlace | undefined {
  let next = 0;
  const peek = (): string | undefined => {
    token.lastIndex = next;
    return token.exec(text)?.[1];
  };
  const take = (accepts: (word: string) => boolean): boolean => {
    const word = peek();
    if (word === undefined || !accepts(word)) return false;
    next = token.lastIndex;
    return true;
  };
  const is = (mark: string) => take((word) => word === mark);
  const isString = () => take((word) => word.startsWith('"'));

  const list = (close: string, item: () => boolean): boolean => {
    if (is(close)) return true;
    do {
      if (!item()) return false;
    } while (is(","));
    return is(close);
  };
  const value = (): boolean => {
    if (is("{")) return list("}", () => isString() && is(":") && value());
    if (is("[")) return list("]", value);
    return take((word) => !/^[{}[\],:]$/.test(word));
  };

  const whole = value();
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
