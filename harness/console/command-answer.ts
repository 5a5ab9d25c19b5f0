/**
 * Assembles a command's result from numbered lines. Lines may arrive in any order, twice, or never.
 * Source: receiver.sh, "Out".
 */
import { cksum } from "./cksum.js";

export interface CommandResult {
  /** Exit status; 128 + N if signal N ended the command. */
  readonly status: number;
  /** Decoded as UTF-8, as stderr is. */
  readonly stdout: string;
  readonly stderr: string;
}

interface Header {
  readonly status: number;
  readonly stdout: Part;
  readonly stderr: Part;
}

interface Part {
  readonly sum: number;
  /** In bytes. */
  readonly length: number;
  /** Number of its first line in the answer, and of the line after its last. */
  readonly from: number;
  readonly to: number;
}

/** Width of a base64 line, as receiver.sh sends it. */
const lineWidth = 240;
const bytesPerLine = (lineWidth / 4) * 3;

export class CommandAnswer {
  #header: Header | undefined;
  readonly #lines = new Map<number, string>();

  /** Adds a line. A damaged line is ignored. */
  take(number: number, text: string): void {
    if (number === 1) this.#header ??= parseHeader(text);
    else if (/^[A-Za-z0-9+/]*={0,2}$/.test(text)) this.#lines.set(number, text);
  }

  /** Bytes of stdout and stderr together; undefined before the first line has arrived. */
  get length(): number | undefined {
    return this.#header && this.#header.stdout.length + this.#header.stderr.length;
  }

  /** Number of intact lines so far. */
  get received(): number {
    return this.#lines.size + (this.#header === undefined ? 0 : 1);
  }

  /**
   * Numbers of the next lines to request, as a sed script: `1p`, `66,193p;200p`; undefined if none is missing.
   * @param limit maximum number of lines
   */
  missing(limit: number): string | undefined {
    if (this.#header === undefined) return "1p";
    const ranges: [number, number][] = [];
    let count = 0;
    for (const part of [this.#header.stdout, this.#header.stderr]) {
      for (let number = part.from; number < part.to && count < limit && ranges.length < 20; number += 1) {
        if (this.#lines.get(number)?.length === widthOf(part, number)) continue;
        count += 1;
        const last = ranges.at(-1);
        if (last !== undefined && last[1] === number - 1) last[1] = number;
        else ranges.push([number, number]);
      }
    }
    if (count === 0) return undefined;
    return ranges.map(([from, to]) => (from === to ? `${from}p` : `${from},${to}p`)).join(";");
  }

  /** @returns undefined if all lines have arrived but a checksum is wrong: all lines are discarded, to be requested again */
  result(): CommandResult | undefined {
    const header = this.#header;
    if (header === undefined) return undefined;
    const stdout = this.#decode(header.stdout);
    const stderr = this.#decode(header.stderr);
    if (stdout === undefined || stderr === undefined) {
      this.#header = undefined;
      this.#lines.clear();
      return undefined;
    }
    return { status: header.status, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  #decode({ from, to, sum }: Part): Buffer | undefined {
    const lines = Array.from({ length: to - from }, (_, index) => this.#lines.get(from + index) ?? "");
    const bytes = Buffer.from(lines.join(""), "base64");
    return cksum(bytes) === sum ? bytes : undefined;
  }
}

function parseHeader(text: string): Header | undefined {
  const match = /^((\d+) (\d+) (\d+) (\d+) (\d+)) (\d+)$/.exec(text);
  if (match === null) return undefined;
  const [status, stdoutSum, stdoutLength, stderrSum, stderrLength, sum] = match.slice(2).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (cksum(`${match[1]}\n`) !== sum) return undefined;
  const stdout = part(stdoutSum, stdoutLength, 2);
  return { status, stdout, stderr: part(stderrSum, stderrLength, stdout.to) };
}

function part(sum: number, length: number, from: number): Part {
  return { sum, length, from, to: from + Math.ceil(length / bytesPerLine) };
}

function widthOf(part: Part, number: number): number {
  if (number < part.to - 1) return lineWidth;
  const rest = part.length - (part.to - 1 - part.from) * bytesPerLine;
  return Math.ceil(rest / 3) * 4;
}
