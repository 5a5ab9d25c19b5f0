/**
 * Writes the console to disk: the raw bytes to `<name>.raw`, and lines of plain text to `<name>.log`. Each line has two
 * times: the host's seconds since power-on, and the guest kernel's own time if the line has a kernel time stamp.
 *
 *     host s    guest s
 *     11.204   0.000000 Linux version 6.1.0-40-amd64 …
 *     24.871            Begin: Running /scripts/live-premount ... done.
 *
 * Writes are synchronous and in order, so that the files are complete up to the last byte even if livelab is killed.
 */
import { closeSync, writeSync } from "node:fs";
import { openLog } from "../open-log.js";
import type { SplitLine } from "./line-splitter.js";
import { kernelTimeMs } from "./torn-lines.js";

export interface ConsoleLogOptions {
  /** File for the raw bytes. An existing file is replaced. */
  readonly rawPath: string;
  /** File for the lines with their times. An existing file is replaced. */
  readonly textPath: string;
  /** Called once if a file can no longer be written (e.g. a full disk). The boot goes on without the files. */
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

  /** Appends raw bytes. */
  bytes(chunk: Uint8Array): void {
    this.#write(this.#raw, chunk);
  }

  /** Appends lines of text with their times. */
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
      this.#onFailure(`the console is no longer logged: cannot write ${path}: ${(error as Error).message}`);
    }
  }
}

/** Formats a line for the text log. */
function formatLine(line: SplitLine): string {
  const guestMs = kernelTimeMs(line.text);
  const guest = guestMs === undefined ? "" : (guestMs / 1000).toFixed(6);
  const text = guestMs === undefined ? line.text : line.text.slice(line.text.indexOf("]") + 2);
  return `${(line.atMs / 1000).toFixed(3).padStart(10)} ${guest.padStart(12)} ${text}\n`;
}
