/**
 * A byte stream from a serial port becomes lines of plain text, as they come and in linear time.
 * Escape sequences and control characters go, also where a chunk ends in the middle of one; the text keeps its place
 * in the stream, so that a reader can say how far it has read.
 * Source: ECMA-48 (control sequences), xterm ctlseqs (OSC, bracketed paste).
 * Not here: what the lines mean (console.ts), torn lines (torn-lines.ts).
 */
import { StringDecoder } from "node:string_decoder";

/** A line without its line end, or the part of one that has come so far. */
export interface SplitLine {
  /** Where the text begins, in characters of plain text since the beginning; a line end counts as one. */
  readonly start: number;
  readonly text: string;
  /** When its first character came, by the caller's clock. */
  readonly atMs: number;
}

/** Longest line handed on in one piece, in characters; what is longer comes in pieces of this length. */
export const maxLineLength = 16_384;

/** An operating system command (window title and the like) that never ends must not swallow the boot. */
const maxSequenceLength = 1_024;

/** What ends a run of ordinary text: control characters but TAB, and DEL. */
const control = /[\x00-\x08\x0a-\x1f\x7f]/g;

/** Where in an escape sequence the stream is. */
type SequenceState = "none" | "escape" | "intermediate" | "csi" | "string" | "string-escape";

export class LineSplitter {
  readonly #decoder = new StringDecoder("utf8");
  readonly #onLine: (line: SplitLine) => void;
  #sequence: SequenceState = "none";
  #sequenceLength = 0;
  #start = 0;
  #text = "";
  #atMs = 0;
  /** A CR ended the line before: the LF after it ends nothing more. */
  #afterReturn = false;

  /** @param onLine gets each line as soon as its end has come */
  constructor(onLine: (line: SplitLine) => void) {
    this.#onLine = onLine;
  }

  /** Takes bytes of any length. @param atMs when they came */
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

  /** The last line, which has not ended yet: a prompt, for instance. Its text may be empty. */
  get partial(): SplitLine {
    return { start: this.#start, text: this.#text, atMs: this.#atMs };
  }

  /** Hands on the last line although it has not ended: the stream has. */
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
      case 0x0d: // CR: ends the line, so that progress drawn over itself comes line by line
        if (this.#text !== "") {
          this.#finishLine(1);
          this.#afterReturn = true;
        }
        return;
      case 0x1b:
        this.#sequence = "escape";
        this.#sequenceLength = 0;
        return;
      default: // NUL, BEL, BS and the like leave no text
        return;
    }
  }

  /** @param endLength what the line end counts in the stream: 0 where a long line is only handed on in pieces */
  #finishLine(endLength: 0 | 1): void {
    const line = this.partial;
    this.#start += line.text.length + endLength;
    this.#text = "";
    this.#onLine(line);
  }

  /** Goes on inside an escape sequence. @returns the index of the first character not used up */
  #skipSequence(text: string, from: number): number {
    let index = from;
    while (index < text.length) {
      const code = text.charCodeAt(index);
      this.#sequenceLength += 1;
      if (this.#sequenceLength > maxSequenceLength || this.#breaksSequence(code)) {
        this.#sequence = "none";
        return index; // the character is not part of it
      }
      index += 1;
      this.#sequence = this.#nextState(code);
      if (this.#sequence === "none") return index;
    }
    return index;
  }

  /** A sequence that is cut short (CAN, SUB, a line end, a kernel line within) leaves what comes next alone. */
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
        // Firmware and boot menus go to another place of the screen where others write a line end.
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
