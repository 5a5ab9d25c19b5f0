/**
 * Splits a byte stream from a serial port into lines of plain text, in linear time.
 * It removes escape sequences and control characters, even if a chunk ends in the middle of one. Each line has its
 * position in the text, so that a reader can state how far it has read.
 * console.ts matches the lines, torn-lines.ts joins lines that the kernel interrupted.
 * Source: ECMA-48 (control sequences), xterm ctlseqs (OSC, bracketed paste).
 */
import { StringDecoder } from "node:string_decoder";

/** A line without its line end, or the part of an unfinished line that has arrived. */
export interface SplitLine {
  /** Position of the text, in characters of plain text since the stream began; a line end counts as one. */
  readonly start: number;
  readonly text: string;
  /** Time of its first character, by the caller's clock. */
  readonly atMs: number;
}

/** Longest line in characters. A longer line is delivered in pieces of this length. */
export const maxLineLength = 16_384;

/** Longest escape sequence, so that an unterminated one (e.g. a window title) does not swallow the boot. */
const maxSequenceLength = 1_024;

/** Characters that end a run of ordinary text: control characters except TAB, and DEL. */
const control = /[\x00-\x08\x0a-\x1f\x7f]/g;

/** Position of the stream within an escape sequence. */
type SequenceState = "none" | "escape" | "intermediate" | "csi" | "string" | "string-escape";

export class LineSplitter {
  readonly #decoder = new StringDecoder("utf8");
  readonly #onLine: (line: SplitLine) => void;
  #sequence: SequenceState = "none";
  #sequenceLength = 0;
  #start = 0;
  #text = "";
  #atMs = 0;
  /** A CR ended the previous line, so that an LF now ends no further line. */
  #afterReturn = false;

  /** @param onLine receives each line as soon as it ends */
  constructor(onLine: (line: SplitLine) => void) {
    this.#onLine = onLine;
  }

  /** Adds bytes of any length. @param atMs time of their arrival */
  push(chunk: Uint8Array, atMs: number): void {
    const text = this.#decoder.write(chunk as Buffer);
    let index = 0;
    while (index < text.length) {
      if (this.#sequence !== "none") {
        index = this.#skipSequence(text, index);
        continue;
      }
      control.lastIndex = index;
      const end = control.exec(text)?.index ?? text.length;
      if (end > index) this.#append(text.slice(index, end), atMs);
      if (end < text.length) this.#control(text.charCodeAt(end), atMs);
      index = end + 1;
    }
  }

  /** The last, unfinished line, e.g. a prompt. Its text may be empty. */
  get partial(): SplitLine {
    return { start: this.#start, text: this.#text, atMs: this.#atMs };
  }

  /** Ends the stream, and delivers the last line although it has no line end. */
  end(): void {
    if (this.#text !== "") this.#finishLine(1);
  }

  #append(text: string, atMs: number): void {
    this.#afterReturn = false;
    if (this.#text === "") this.#atMs = atMs;
    let whole = this.#text + text;
    while (whole.length >= maxLineLength) {
      this.#text = whole.slice(0, maxLineLength);
      this.#finishLine(0);
      this.#atMs = atMs;
      whole = whole.slice(maxLineLength);
    }
    this.#text = whole;
  }

  #control(code: number, atMs: number): void {
    switch (code) {
      case 0x0a: // LF
        if (!this.#afterReturn) {
          if (this.#text === "") this.#atMs = atMs;
          this.#finishLine(1);
        }
        this.#afterReturn = false;
        return;
      case 0x0d: // CR: ends the line, so that progress output that overwrites itself arrives line by line
        if (this.#text !== "") {
          this.#finishLine(1);
          this.#afterReturn = true;
        }
        return;
      case 0x1b:
        this.#sequence = "escape";
        this.#sequenceLength = 0;
        return;
      default: // NUL, BEL, BS and other control characters are dropped
        return;
    }
  }

  /** @param endLength length of the line end in the stream: 0 for a piece of a long line */
  #finishLine(endLength: 0 | 1): void {
    const line = this.partial;
    this.#start += line.text.length + endLength;
    this.#text = "";
    this.#onLine(line);
  }

  /** Continues inside an escape sequence. @returns the index of the first character after it, or of the text's end */
  #skipSequence(text: string, from: number): number {
    let index = from;
    while (index < text.length) {
      const code = text.charCodeAt(index);
      this.#sequenceLength += 1;
      if (this.#sequenceLength > maxSequenceLength || this.#breaksSequence(code)) {
        this.#sequence = "none";
        return index; // the character does not belong to the sequence
      }
      index += 1;
      this.#sequence = this.#nextState(code);
      if (this.#sequence === "none") return index;
    }
    return index;
  }

  /** Whether a character (CAN, SUB, a line end, the start of a kernel line) cuts the sequence short. */
  #breaksSequence(code: number): boolean {
    switch (this.#sequence) {
      case "string":
        return code === 0x0a || code === 0x0d;
      case "string-escape":
        return code !== 0x5c;
      default:
        return code < 0x20 || code > 0x7e;
    }
  }

  #nextState(code: number): SequenceState {
    switch (this.#sequence) {
      case "escape":
        if (code === 0x5b) return "csi"; // [
        if (code === 0x5d || code === 0x50 || code === 0x58 || code === 0x5e || code === 0x5f) return "string"; // ] P X ^ _
        return code < 0x30 ? "intermediate" : "none";
      case "intermediate":
        return code < 0x30 ? "intermediate" : "none";
      case "csi":
        if (code < 0x40) return "csi";
        // Firmware and boot menus move the cursor instead of writing a line end.
        if ((code === 0x48 || code === 0x66) && this.#text !== "") this.#finishLine(1); // H f
        return "none";
      case "string":
        if (code === 0x07) return "none"; // BEL
        return code === 0x1b ? "string-escape" : "string";
      case "string-escape":
        return "none";
      case "none":
        return "none";
      default:
        return this.#sequence satisfies never;
    }
  }
}
