/**
 * The console on disk: every byte as it came in `<name>.raw`, and the same as text in `<name>.log`,
 * one line each with two clocks: seconds since power-on by the host, and the guest kernel's own where it stamps.
 *
 *     host s    guest s
 *     11.204   0.000000 Linux version 6.1.0-40-amd64 …
 *     24.871            Begin: Running /scripts/live-premount ... done.
 *
 * Written at once and in order, so that the files are whole up to the last byte seen, whatever ends livelab.
 */
import { closeSync, writeSync } from "node:fs";
import { openLog } from "../open-log.js";
import type { SplitLine } from "./line-splitter.js";
import { kernelTimeMs } from "./torn-lines.js";

export interface ConsoleLogOptions {
  /** File for the bytes as they came; an older one is replaced. */
  readonly rawPath: string;
  /** File for the lines with their clocks; an older one is replaced. */
  readonly textPath: string;
  /** Told once if the files cannot be written further (a full disk): the boot goes on without them. */
  readonly onFailure: (message: string) => void;
}

const header = "    host s      guest s\n";

export class ConsoleLog implements Disposable {
  readonly rawPath: string;
  readonly textPath: string;
  readonly #raw: number;
  readonly #text: number;
  readonly #onFailure: (message: string) => void;
  #open = true;

  private constructor(options: ConsoleLogOptions, raw: number, text: number) {
    this.rawPath = options.rawPath;
    this.textPath = options.textPath;
    this.#onFailure = options.onFailure;
    this.#raw = raw;
    this.#text = text;
  }

  /** @throws HarnessError LOG_NOT_WRITABLE */
  static create(options: ConsoleLogOptions): ConsoleLog {
    const raw = openLog(options.rawPath);
    try {
      const log = new ConsoleLog(options, raw, openLog(options.textPath));
      log.#write(log.#text, header);
      return log;
    } catch (error) {
      closeSync(raw);
      throw error;
    }
  }

  /** Keeps bytes as they came. */
  bytes(chunk: Uint8Array): void {
    this.#write(this.#raw, chunk);
  }

  /** Keeps lines of text with their clocks. */
  lines(lines: readonly SplitLine[]): void {
    if (lines.length > 0) this.#write(this.#text, lines.map(formatLine).join(""));
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#raw);
    closeSync(this.#text);
  }

  #write(file: number, data: Uint8Array | string): void {
    if (!this.#open) return;
    try {
      const bytes = Buffer.from(data as Uint8Array);
      for (let sent = 0; sent < bytes.length; ) sent += writeSync(file, bytes, sent);
    } catch (error) {
      this[Symbol.dispose]();
      const path = file === this.#raw ? this.rawPath : this.textPath;
      this.#onFailure(`the console is no longer kept: ${path}: ${(error as Error).message}`);
    }
  }
}

/** The line as it stands in the text log. */
function formatLine(line: SplitLine): string {
  const guestMs = kernelTimeMs(line.text);
  const guest = guestMs === undefined ? "" : (guestMs / 1000).toFixed(6);
  const text = guestMs === undefined ? line.text : line.text.slice(line.text.indexOf("]") + 2);
  return `${(line.atMs / 1000).toFixed(3).padStart(10)} ${guest.padStart(12)} ${text}\n`;
}
