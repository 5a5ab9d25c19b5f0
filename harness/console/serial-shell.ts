/**
 * Runs commands in the guest over its serial console, where the kernel interrupts lines and characters get lost.
 * Each frame, in both directions, has a checksum, and is acknowledged or repeated. No step depends on a prompt or an echo.
 *
 *     await using shell = await SerialShell.login(console, { user: "root", password, timeoutMs: 60_000, signal });
 *     const { status, stdout } = await shell.run("hostid", { timeoutMs: 10_000, signal });
 *
 * The guest's end is receiver.sh. serial-login.ts logs in.
 */
import { formatBytes, formatDuration } from "../../base/format.js";
import { ExpectationFailed, HarnessError } from "../harness-error.js";
import { cksum } from "./cksum.js";
import { CommandAnswer, type CommandResult } from "./command-answer.js";
import type { Console } from "./console.js";
import { Deadline } from "./deadline.js";
import { startReceiver } from "./receiver.js";
import { type LoginOptions, logIn } from "./serial-login.js";

export interface SerialLoginOptions extends LoginOptions {
  /** Limits the kernel's console output to emergencies (`dmesg -n 1`), so that fewer lines are torn. @default true */
  readonly quietKernel?: boolean;
}

export interface RunOptions {
  /** Longest run of the command, in milliseconds; it is killed then. The transfer of its output does not count. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

type Verb = "c" | "a" | "r" | "g" | "q";

interface Frame {
  readonly seq: number;
  readonly verb: Verb;
  readonly data: string;
}

/** Kind of a frame from the guest: a status word, or a line of an answer. */
type Said = "ok" | "run" | "end" | "nak" | "line";

/** Whether a frame is the awaited one. */
type Wanted = (seq: number, said: Said) => boolean;

/** Base64 characters of a command in one frame: a terminal in canonical mode takes lines of up to 4095 bytes. */
const pieceLength = 2_000;
/** Number of answer lines requested at once. */
const windowLines = 128;
/** First timeout for an acknowledgement, in milliseconds; it doubles with each try. */
const answerMs = 3_000;
const longestAnswerMs = 24_000;
/** Interval at which a running command's answer is requested again, in milliseconds, in case its end was lost. */
const askAfterMs = 20_000;
/** Time within which a killed command must end, in milliseconds. */
const killGraceMs = 30_000;
/** Longest time without a whole frame, in milliseconds. Then the line counts as too noisy. */
const silenceMs = 60_000;
/** Longest output of a command in bytes. receiver.sh reads at most one byte more from each stream. */
const maxOutputBytes = 4 * 1024 * 1024;

const frameLine = /~(?:(nak)|(\d+) (?:(ok|run|end)|(\d+) ([A-Za-z0-9+/= ]*)))~$/;

export class SerialShell implements AsyncDisposable {
  readonly #console: Console;
  readonly #stopWatching: () => void;
  #seq = 0;
  #running: Promise<unknown> | undefined;
  /** The running command's frame and the part of its answer that has arrived. */
  #answer: { readonly seq: number; readonly answer: CommandAnswer } | undefined;
  /** Frames that have arrived and are not processed yet. A whole answer may arrive at once. */
  #received: { readonly seq: number; readonly said: Said }[] = [];
  #onReceived: () => void = () => {};
  #onEnd: () => void = () => {};
  #gone = false;

  private constructor(console: Console) {
    this.#console = console;
    this.#stopWatching = console.watch(frameLine, ({ match }) => this.#take(match));
    void console.ended.then(() => {
      this.#gone = true;
      this.#onEnd();
    });
  }

  /**
   * Logs in on the console, or uses a shell that already runs there, and starts the receiver.
   * @throws ExpectationFailed LOGIN_REFUSED, TIMED_OUT, CONSOLE_ENDED
   */
  static async login(console: Console, options: SerialLoginOptions): Promise<SerialShell> {
    const deadline = new Deadline(options.timeoutMs);
    do await logIn(console, options, deadline);
    while (!(await startReceiver(console, deadline, options.signal)));
    const shell = new SerialShell(console);
    if (options.quietKernel ?? true) {
      await shell.run("dmesg -n 1", { timeoutMs: Math.max(1, deadline.leftMs), signal: options.signal });
    }
    return shell;
  }

  /**
   * Runs a command with `sh -c` and empty stdin. A status other than 0 is a result, not an error. Background processes of
   * the command keep running; the result has the output up to the end of the command itself.
   * The command ignores SIGINT and SIGQUIT, like any background job of a script.
   * @throws ExpectationFailed COMMAND_TIMED_OUT (the shell can be used again), CONSOLE_ENDED
   * @throws HarnessError LINE_TOO_NOISY, OUTPUT_TOO_LARGE (over 4 MiB), MISUSE (another command is running)
   */
  async run(command: string, options: RunOptions): Promise<CommandResult> {
    if (this.#running !== undefined) {
      throw new HarnessError("MISUSE", `cannot run ${quote(command)}: another command is running on this serial shell`);
    }
    this.#running = this.#run(command, options);
    try {
      return (await this.#running) as CommandResult;
    } finally {
      this.#running = undefined;
      this.#answer = undefined;
    }
  }

  /** Ends the receiver, which logs out. Getty prompts for a name again. */
  async [Symbol.asyncDispose](): Promise<void> {
    const frame = this.#frame("q", "-");
    // The machine may be gone already. Then no session is left to log out of.
    await this.#write(frame).catch(() => {});
    this.#stopWatching();
  }

  async #run(command: string, { timeoutMs, signal }: RunOptions): Promise<CommandResult> {
    const data = Buffer.from(`${command}\n`).toString("base64");
    for (let from = 0; from < data.length; from += pieceLength) {
      const frame = this.#frame(from === 0 ? "c" : "a", data.slice(from, from + pieceLength));
      await this.#send(frame, (seq, word) => seq === frame.seq && word === "ok", signal);
    }
    const answer = new CommandAnswer();
    const frame = this.#frame("r", `1,${windowLines}p`);
    this.#answer = { seq: frame.seq, answer };
    const timedOut = await this.#awaitEnd(frame, timeoutMs, signal);
    const result = await this.#collect(answer, command, signal);
    if (timedOut) {
      const said = [result.stdout, result.stderr].map((text) => text.trimEnd().split("\n").at(-1)).filter(Boolean);
      throw new ExpectationFailed(
        "COMMAND_TIMED_OUT",
        `${quote(command)} did not end in ${formatDuration(timeoutMs)} and was killed; ${said.length === 0 ? "it printed nothing" : `last: ${said.map((line) => JSON.stringify(line)).join(", ")}`}`,
      );
    }
    return result;
  }

  /** Starts a command and waits for its end. @returns whether it was killed at its timeout */
  async #awaitEnd(frame: Frame, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const said: Wanted = (seq, word) => seq === frame.seq && word !== "ok";
    const ended: Wanted = (seq, word) => seq === frame.seq && (word === "end" || word === "line");
    const deadline = new Deadline(timeoutMs);
    try {
      let word: Said | undefined = await this.#send(frame, said, signal);
      while (word !== "end" && word !== "line" && !deadline.passed) {
        word = await this.#next(ended, Math.min(askAfterMs, deadline.leftMs), signal);
        if (word === undefined && !deadline.passed) await this.#write(frame);
      }
      if (word === "line") await this.#next((seq, word) => seq === frame.seq && word === "end", answerMs, signal);
      if (word === "end" || word === "line") return false;
    } catch (error) {
      // An abort frees the line: ^C kills the command.
      if (signal.aborted) await this.#console.write("\x03").catch(() => {});
      throw error;
    }
    for (const grace = new Deadline(killGraceMs); !grace.passed; ) {
      await this.#console.write("\x03");
      if ((await this.#next(ended, answerMs, signal)) !== undefined) return true;
      await this.#write(frame); // the ^C may have cut off the answer
    }
    throw new ExpectationFailed(
      "COMMAND_TIMED_OUT",
      `a command did not end in ${formatDuration(timeoutMs)}, and did not end within ${formatDuration(killGraceMs)} of being killed`,
      { hint: 'look for "blocked for more than" in the console log: the command may hang in the kernel' },
    );
  }

  /** Requests the missing lines of an answer until it is complete. */
  async #collect(answer: CommandAnswer, command: string, signal: AbortSignal): Promise<CommandResult> {
    let silence = new Deadline(silenceMs);
    let received = -1;
    for (;;) {
      if ((answer.length ?? 0) > maxOutputBytes) {
        throw new HarnessError(
          "OUTPUT_TOO_LARGE",
          `${quote(command)} printed more than ${formatBytes(maxOutputBytes)}`,
          {
            hint: `print at most ${formatBytes(maxOutputBytes)} on the serial line: filter the output with tail or grep`,
          },
        );
      }
      const missing = answer.missing(windowLines);
      if (missing === undefined) {
        const result = answer.result();
        if (result !== undefined) return result;
        continue;
      }
      if (answer.received !== received) {
        received = answer.received;
        silence = new Deadline(silenceMs);
      }
      if (silence.passed) throw this.#noisy(`no intact line of the output of ${quote(command)}`);
      const frame = this.#frame("g", missing);
      await this.#send(frame, (seq, word) => seq === frame.seq && word === "end", signal);
    }
  }

  #frame(verb: Verb, data: string): Frame {
    this.#seq += 1;
    return { seq: this.#seq, verb, data };
  }

  async #write({ seq, verb, data }: Frame): Promise<void> {
    const text = `${seq} ${verb} ${data}`;
    // The leading line end terminates the rest of an interrupted frame.
    await this.#console.write(`\n${text} ${cksum(`${text}\n`)}\n`).catch((cause) => {
      throw consoleEnded(cause);
    });
  }

  /** Sends a frame repeatedly until it is answered. @returns the kind of the answer */
  async #send(frame: Frame, answers: Wanted, signal: AbortSignal): Promise<Said> {
    const silence = new Deadline(silenceMs);
    for (let waitMs = answerMs; !silence.passed; ) {
      const answered: Wanted = (seq, word) => word === "nak" || answers(seq, word);
      this.#received = [];
      await this.#write(frame);
      const word = await this.#next(answered, waitMs, signal);
      if (word !== undefined && word !== "nak") return word;
      if (word === undefined) waitMs = Math.min(longestAnswerMs, waitMs * 2);
    }
    throw this.#noisy(`no acknowledgement of a frame`);
  }

  /** Waits for a frame. Each answer line restarts the timeout. @returns undefined if no such frame came in `quietMs` */
  #next(wanted: Wanted, quietMs: number, signal: AbortSignal): Promise<Said | undefined> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const settle = (outcome: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", aborted);
        this.#onReceived = () => {};
        this.#onEnd = () => {};
        outcome();
      };
      const aborted = (): void => settle(() => reject(signal.reason));
      const timer = setTimeout(() => settle(() => resolve(undefined)), quietMs);
      signal.addEventListener("abort", aborted, { once: true });
      this.#onEnd = () => settle(() => reject(consoleEnded()));
      this.#onReceived = () => {
        for (let received = this.#received.shift(); received !== undefined; received = this.#received.shift()) {
          const { seq, said } = received;
          if (wanted(seq, said)) return settle(() => resolve(said));
          if (said === "line") timer.refresh();
        }
      };
      this.#onReceived();
      if (this.#gone) this.#onEnd();
    });
  }

  #take([, nak, seqText, word, number, text]: RegExpExecArray): void {
    const seq = Number(seqText ?? 0);
    if (number !== undefined && seq === this.#answer?.seq) this.#answer.answer.take(Number(number), text ?? "");
    this.#received.push({ seq, said: (nak ?? word ?? "line") as Said });
    this.#onReceived();
  }

  #noisy(what: string): HarnessError {
    const last = this.#console.tail(1)[0];
    return new HarnessError(
      "LINE_TOO_NOISY",
      `the serial shell received ${what} in ${formatDuration(silenceMs)}; ${last === undefined ? "the console printed nothing" : `last on the console: ${JSON.stringify(last)}`}`,
      { hint: "check the console log: the guest may hang, or another program may write to its console" },
    );
  }
}

function consoleEnded(cause?: unknown): ExpectationFailed {
  return new ExpectationFailed("CONSOLE_ENDED", "the console ended while a command was running", { cause });
}

/** Quotes a command for an error message. */
function quote(command: string): string {
  const line = command.length > 80 ? `${command.slice(0, 77)}...` : command;
  return JSON.stringify(line);
}
