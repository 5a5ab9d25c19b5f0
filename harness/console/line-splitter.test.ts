import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LineSplitter, maxLineLength, type SplitLine } from "./line-splitter.js";

const test = suite("LineSplitter");

/** Splits bytes that arrive in chunks of one length. The unfinished line comes last, if it has text. */
function split(input: string | Uint8Array, chunkLength = Number.MAX_SAFE_INTEGER): string[] {
  const bytes = Buffer.from(input as Uint8Array);
  const lines: string[] = [];
  const splitter = new LineSplitter(({ text }) => lines.push(text));
  for (let from = 0; from < bytes.length; from += chunkLength) {
    splitter.push(bytes.subarray(from, from + chunkLength), from);
  }
  if (splitter.partial.text !== "") lines.push(splitter.partial.text);
  return lines;
}

test("LineSplitter ends lines at LF, CR LF, CR CR LF and a lone CR, and keeps empty lines", () => {
  assert.equal(split("a\nb\r\nc\r\r\nd\re\n\r\n\nf"), ["a", "b", "c", "d", "e", "", "", "f"]);
});

test("partial holds a prompt, which has no line end", () => {
  assert.equal(split("\r\nDebian 12 cn7 ttyS1\r\n\r\ncn7 login: "), ["", "Debian 12 cn7 ttyS1", "", "cn7 login: "]);
});

const decorated =
  "\x1b[0;1;39m[\x1b[0;32m  OK  \x1b[0m] Started \x1b]0;root@cn7: ~\x07\x1b[?2004hroot@cn7:~# \x1b(B\x1b[m\x1b7x\x1bP1$r0m\x1b\\y\r\n" +
  "caf\u00e9 \u2192 \u{1f680}\tend\r\n";

test("LineSplitter removes colours, window titles, bracketed paste and device strings", () => {
  assert.equal(split(decorated), ["[  OK  ] Started root@cn7:~# xy", "café → 🚀\tend"]);
});

test("LineSplitter delivers the same lines for every chunk length", () => {
  const whole = split(decorated);
  for (let length = 1; length < 12; length += 1) assert.equal(split(decorated, length), whole, `chunks of ${length}`);
});

test("a cursor movement ends the line, as firmware uses it", () => {
  assert.equal(split("\x1b[2J\x1b[01;01HBdsDxe: loading\x1b[02;01HBdsDxe: starting"), [
    "BdsDxe: loading",
    "BdsDxe: starting",
  ]);
});

test("an unterminated escape sequence does not swallow the lines after it", () => {
  assert.equal(split("a\x1b]0;title\r\nb\r\n"), ["a", "b"]);
  assert.equal(split("a\x1b[3\r\nb\r\n"), ["a", "b"]);
  const lines = split(`a\x1b]0;${"t".repeat(5_000)}`);
  assert.ok((lines[0] ?? "").length > 3_900);
});

test("LineSplitter drops NUL, BEL and backspace, and replaces bytes that are not UTF-8", () => {
  assert.equal(split(Uint8Array.of(0x61, 0x00, 0x07, 0x08, 0x62, 0xff, 0x63)), ["ab\ufffdc"]);
});

test("LineSplitter delivers a very long line in pieces, without losing characters", () => {
  const lines = split("x".repeat(2.5 * maxLineLength), 1_000);
  assert.equal(
    lines.map(({ length }) => length),
    [maxLineLength, maxLineLength, maxLineLength / 2],
  );
});

test("each line has its position in the text and the time of its first character", () => {
  const lines: SplitLine[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  splitter.push(Buffer.from("ab\r\n\x1b[31mcd"), 5);
  splitter.push(Buffer.from("ef\nlog"), 9);
  assert.equal(lines, [
    { start: 0, text: "ab", atMs: 5 },
    { start: 3, text: "cdef", atMs: 5 },
  ]);
  assert.equal(splitter.partial, { start: 8, text: "log", atMs: 9 });
});

test.run();
