/**
 * A guest's serial console: reads lines, waits for patterns, and writes.
 * The console logs bytes before it wakes waiters, so that a waiter finds the matched line in the log. It searches each
 * byte a fixed number of times: a whole line once for each pattern, the unfinished last line for prompt patterns only.
 * vm/serial/byte-line.ts delivers the bytes; serial-shell.ts logs in and runs commands.
 */

import { formatDuration } from "../../base/format.js";
import { waitAtMost } from "../../base/wait-at-most.js";
import type { ByteLine } from "../../vm/serial/byte-line.js";
import { ExpectationFailed } from "../harness-error.js";
import type { ConsoleLog } from "./console-log.js";
import { LineSplitter, type SplitLine } from "./line-splitter.js";
import { nearestLine } from "./nearest-line.js";
import { indexInView, positionAfter, TornLines, type View } from "./torn-lines.js";

export interface ConsoleOptions {
  /** Log on disk. @default no log, only the last `keptLines` lines in memory */
  readonly log?: ConsoleLog;
  /** Number of lines kept for error messages and for waits that start late. @default 2000 */
  readonly keptLines?: number;
  /** Milliseconds since power-on. @default counted from the console's creation */
  readonly sincePowerOnMs?: () => number;
}

/** What a pattern is matched against: `line`, only finished lines; `prompt`, also the unfinished line. */
export type MatchOn = "line" | "prompt";

export interface WaitOptions {
  /** Name of the awaited text for the error message: "the login prompt". */
  readonly what: string;
  /** Longest wait in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** @default "line" */
  readonly on?: MatchOn;
  /** Start of the search: a `Console.position` or `ConsoleMatch.end`. @default the end of the last wait's match */
  readonly from?: number;
}

export interface ConsoleMatch {
  /** The pattern's match, with its groups. */
  readonly match: RegExpExecArray;
  /** The line with the match, joined if a kernel line tore it. */
  readonly text: string;
  /** Time of the line's first character, in milliseconds since power-on. */
  readonly atMs: number;
  /** Position just after the match, for `WaitOptions.from`. */
  readonly end: number;
}

/** A kept line with every way to read it. */
interface KeptLine extends SplitLine {
  readonly views: readonly View[];
}

/** A wait or a watch. The callback of a wait removes it. */
interface Matcher {
  readonly pattern: RegExp;
  readonly on: MatchOn;
  /** Text before this position does not match again. */
  from: number;
  readonly found: (found: ConsoleMatch) => void;
}

/** Length of the searched end of an unfinished line, in characters. A prompt is at the end of its line. */
const promptWindow = 1_024;

export class Console implements AsyncDisposable {
  /** Resolves when the guest's end or this console closes, after the last line was matched. Never rejects. */
  readonly ended: Promise<void>;
  readonly #line: ByteLine;
  readonly #log: ConsoleLog | undefined;
  readonly #keptLines: number;
  readonly #sincePowerOnMs: () => number;
  readonly #splitter = new LineSplitter((line) => this.#fresh.push(line));
  readonly #torn = new TornLines();
  readonly #matchers = new Set<Matcher>();
  readonly #stopListening: () => void;
  /** Lines completed by the current chunk. */
  #fresh: SplitLine[] = [];
  #kept: KeptLine[] = [];
  #cursor = 0;
  /** Position of the first line that no matcher has searched yet. */
  #nextStart = 0;
  #ended = false;
  readonly #onEnd = new Set<() => void>();

  constructor(line: ByteLine, options: ConsoleOptions = {}) {
    const createdAt = performance.now();
    this.#line = line;
    this.#log = options.log;
    this.#keptLines = options.keptLines ?? 2_000;
    this.#sincePowerOnMs = options.sincePowerOnMs ?? (() => performance.now() - createdAt);
    this.#stopListening = line.onData((chunk) => this.#take(chunk));
    this.ended = line.closed.then(() => this.#end());
  }

  /** Position of the end of the text so far, for `WaitOptions.from`. */
  get position(): number {
    const { start, text } = this.#splitter.partial;
    return start + text.length;
  }

  /** The unfinished last line, or an empty string. */
  get partial(): string {
    return this.#splitter.partial.text;
  }

  /** The last `count` lines, oldest first, without line ends. An unfinished line is the last one. */
  tail(count: number): string[] {
    const lines = this.#kept.slice(-count).map(({ text }) => text);
    if (this.partial !== "") lines.push(this.partial);
    return lines.slice(-count);
  }

  /** The kept line most similar to `wanted`, if any is similar. @param from see WaitOptions @default 0, all kept lines */
  nearest(wanted: RegExp | string, from = 0): string | undefined {
    const lines = this.#kept.filter(({ start, text }) => start + text.length > from).map(({ text }) => text);
    return nearestLine(wanted, [...lines, this.partial]);
  }

  /** Writes to the guest. @throws VmError LINE_CLOSED */
  write(data: Uint8Array | string): Promise<void> {
    return this.#line.write(data);
  }

  /**
   * Calls `found` with the first match in each matching line, from the current line on.
   * A `prompt` matches when it first appears, and not again when its line ends.
   * @returns a function that ends the watch
   */
  watch(pattern: RegExp, found: (found: ConsoleMatch) => void, on: MatchOn = "line"): () => void {
    const matcher: Matcher = { pattern: searching(pattern), on, from: this.#nextStart, found };
    this.#matchers.add(matcher);
    return () => this.#matchers.delete(matcher);
  }

  /**
   * Waits for text that matches. No text matches twice: each wait starts after the previous wait's match, unless `from`
   * names another position. Earlier text counts if it is still kept.
   * @throws ExpectationFailed TIMED_OUT, CONSOLE_ENDED
   * @throws the reason of the signal if it is aborted
   */
  async waitFor(pattern: RegExp, options: WaitOptions): Promise<ConsoleMatch> {
    options.signal.throwIfAborted();
    const from = options.from ?? this.#cursor;
    const failure = (code: "TIMED_OUT" | "CONSOLE_ENDED", when: string): ExpectationFailed =>
      this.#failure(code, when, pattern, options.what, from);
    let cleanup = (): void => {};
    const matched = new Promise<ConsoleMatch>((resolve, reject) => {
      const matcher: Matcher = {
        pattern: searching(pattern),
        on: options.on ?? "line",
        from,
        found: (match) => {
          cleanup();
          resolve(match);
        },
      };
      const ended = (): void => reject(failure("CONSOLE_ENDED", "before the console ended"));
      cleanup = () => {
        this.#matchers.delete(matcher);
        this.#onEnd.delete(ended);
      };
      this.#onEnd.add(ended);
      this.#matchers.add(matcher);
      this.#searchKept(matcher);
      if (this.#ended && this.#matchers.has(matcher)) ended();
    });
    const found = await waitAtMost(matched, {
      limitMs: options.timeoutMs,
      signal: options.signal,
      onLimit: () => failure("TIMED_OUT", `in ${formatDuration(options.timeoutMs)}`),
    }).finally(cleanup);
    this.#cursor = Math.max(this.#cursor, found.end);
    return found;
  }

  /** Closes the line. Open waits fail with CONSOLE_ENDED. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#line[Symbol.asyncDispose]();
    this.#end();
    this.#log?.[Symbol.dispose]();
  }

  #take(chunk: Buffer): void {
    const atMs = this.#sincePowerOnMs();
    this.#log?.bytes(chunk);
    this.#splitter.push(chunk, atMs);
    this.#handFresh();
    this.#searchPartial();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopListening();
    this.#splitter.end();
    this.#handFresh();
    for (const ended of [...this.#onEnd]) ended();
  }

  #handFresh(): void {
    const fresh = this.#fresh;
    if (fresh.length === 0) return;
    this.#fresh = [];
    this.#log?.lines(fresh);
    for (const [index, line] of fresh.entries()) {
      this.#nextStart = (fresh[index + 1] ?? this.#splitter.partial).start;
      const kept: KeptLine = { ...line, views: this.#torn.views(line) };
      this.#kept.push(kept);
      for (const matcher of this.#matchers) search(matcher, kept.views, kept);
    }
    // Trims only occasionally: a cut at each line would copy the whole list each time.
    if (this.#kept.length > 2 * this.#keptLines) this.#kept = this.#kept.slice(-this.#keptLines);
  }

  #searchPartial(): void {
    const partial = this.#splitter.partial;
    if (partial.text === "" || ![...this.#matchers].some(({ on }) => on === "prompt")) return;
    const views = this.#torn.partialViews(windowOf(partial));
    for (const matcher of this.#matchers) if (matcher.on === "prompt") search(matcher, views, partial);
  }

  #searchKept(matcher: Matcher): void {
    for (const line of this.#kept) {
      search(matcher, line.views, line);
      if (!this.#matchers.has(matcher)) return;
    }
    if (matcher.on === "prompt")
      search(matcher, this.#torn.partialViews(windowOf(this.#splitter.partial)), this.#splitter.partial);
  }

  #failure(
    code: "TIMED_OUT" | "CONSOLE_ENDED",
    when: string,
    pattern: RegExp,
    what: string,
    from: number,
  ): ExpectationFailed {
    const last = this.tail(20).findLast((line) => line.trim() !== "");
    const nearest = this.nearest(pattern, from);
    const seen = last === undefined ? "the console printed nothing" : `last: ${JSON.stringify(last)}`;
    const near = nearest === undefined || nearest === last ? "" : `nearest: ${JSON.stringify(nearest)}; `;
    return new ExpectationFailed(code, `${what}: no line matched ${pattern} ${when}; ${near}${seen}`, {
      hint: this.#log && `read the whole console in ${this.#log.textPath}`,
    });
  }
}

/** The same pattern with the global flag, so that lastIndex sets the start of the search. */
function searching(pattern: RegExp): RegExp {
  return new RegExp(pattern.source, pattern.flags.includes("g") ? pattern.flags : `${pattern.flags}g`);
}

function search(matcher: Matcher, views: readonly View[], line: SplitLine): void {
  if (matcher.from > line.start + line.text.length) return;
  for (const view of views) {
    const { pattern } = matcher;
    pattern.lastIndex = matcher.from <= line.start && view.pieces.length === 1 ? 0 : indexInView(view, matcher.from);
    const match = pattern.exec(view.text);
    if (match === null) continue;
    const end = positionAfter(view, match.index + match[0].length);
    matcher.from = Math.max(end, line.start + 1);
    matcher.found({ match, text: view.text, atMs: line.atMs, end });
    return;
  }
}

function windowOf(partial: SplitLine): SplitLine {
  const cut = Math.max(0, partial.text.length - promptWindow);
  return cut === 0 ? partial : { ...partial, start: partial.start + cut, text: partial.text.slice(cut) };
}
