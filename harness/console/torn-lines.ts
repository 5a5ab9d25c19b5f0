/**
 * Joins lines that the kernel interrupted. The kernel writes its lines to the console while programs are writing there:
 * `trit[   12.345678] usb 1-1: new device` and then `on: hostid 73cb1ae8`.
 * Source: Linux Documentation/core-api/printk-basics (time stamps), drivers/tty/serial/8250 (console_write is not
 * kept apart from tty output).
 */
import { maxLineLength, type SplitLine } from "./line-splitter.js";

/** A kernel time stamp, `[   12.345678] `; group 1 is seconds since the kernel started. */
const stamp = /\[ {0,4}(\d{1,9}\.\d{6})\] /;

/** One way to read a line: its text, and the position of each piece in the stream. */
export interface View {
  readonly text: string;
  readonly pieces: readonly { readonly at: number; readonly start: number; readonly length: number }[];
}

/** @returns the kernel's clock in milliseconds, if the line begins with its stamp */
export function kernelTimeMs(text: string): number | undefined {
  if (text.charCodeAt(0) !== 0x5b) return undefined;
  const match = stamp.exec(text);
  return match?.index === 0 ? Number(match[1]) * 1000 : undefined;
}

export class TornLines {
  /** A program's text before the kernel's interruption. Its rest has not arrived yet. */
  #torn: View | undefined;

  /**
   * Every way to read a line: first as it is, then the part before the kernel's line, the kernel's line itself, and the
   * torn line joined with this one.
   */
  views(line: SplitLine): readonly View[] {
    const whole = viewOf(line, 0, line.text.length);
    if (line.text === "") return [whole];
    const cut = cutAt(line.text);
    if (cut === undefined) {
      if (this.#torn === undefined) return [whole];
      const joined = join(this.#torn, whole);
      this.#torn = undefined;
      return [whole, joined];
    }
    if (cut === 0) return [whole]; // an ordinary kernel line; the line that it interrupts stays torn
    const kernel = viewOf(line, cut, line.text.length);
    const head = viewOf(line, 0, cut);
    const torn = this.#torn === undefined ? head : join(this.#torn, head);
    this.#torn = torn.text.length < maxLineLength ? torn : undefined;
    return torn === head ? [whole, head, kernel] : [whole, head, kernel, torn];
  }

  /** Every way to read the unfinished line. Does not change the state. */
  partialViews(line: SplitLine): readonly View[] {
    const whole = viewOf(line, 0, line.text.length);
    return this.#torn === undefined || cutAt(line.text) === 0 ? [whole] : [whole, join(this.#torn, whole)];
  }
}

function cutAt(text: string): number | undefined {
  // A plain search comes first, since this runs for each line and most have no such bracket.
  return text.includes("] ") ? stamp.exec(text)?.index : undefined;
}

function viewOf(line: SplitLine, from: number, to: number): View {
  const whole = from === 0 && to === line.text.length;
  return {
    text: whole ? line.text : line.text.slice(from, to),
    pieces: [{ at: 0, start: line.start + from, length: to - from }],
  };
}

function join(first: View, second: View): View {
  const moved = second.pieces.map((piece) => ({ ...piece, at: piece.at + first.text.length }));
  return { text: first.text + second.text, pieces: [...first.pieces, ...moved] };
}

/** @returns the index in the view of the first character at or after `position` in the stream */
export function indexInView(view: View, position: number): number {
  for (const piece of view.pieces) {
    if (position < piece.start + piece.length) return piece.at + Math.max(0, position - piece.start);
  }
  return view.text.length;
}

/** @returns the position in the stream just after the view's character before `index` */
export function positionAfter(view: View, index: number): number {
  const first = view.pieces[0];
  let position = first === undefined ? 0 : first.start;
  for (const piece of view.pieces) {
    if (piece.at >= index) break;
    position = piece.start + Math.min(piece.length, index - piece.at);
  }
  return position;
}
