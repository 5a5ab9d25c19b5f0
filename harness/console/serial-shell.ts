/**
 * Commands in the guest over its serial console, where lines are cut in two by the kernel and characters get lost.
 * Every frame there and back is checked and acknowledged or asked for again; nothing depends on a prompt or an echo.
 *
 *     await using shell = await SerialShell.login(console, { user: "root", password, timeoutMs: 60_000, signal });
 *     const { status, stdout } = await shell.run("hostid", { timeoutMs: 10_000, signal });
 *
 * The far end is receiver.sh. Not here: getting to a shell (serial-login.ts).
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
  /** Tells the kernel to print only emergencies on the console from now on (`dmesg -n 1`): fewer torn lines. @default true */
  readonly quietKernel?: boolean;
}

export interface RunOptions {
  /** Longest time for the command itself, in milliseconds; it is killed then. Carrying its output back is not counted. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

type Verb = "c" | "a" | "r" | "g" | "q";

interface Frame {
  readonly seq: number;
  readonly verb: Verb;
  readonly data: string;
}

/** What the guest has sent: a word of its own, or a line of an answer. */
type Said = "ok" | "run" | "end" | "nak" | "line";

/** Whether a frame is the one awaited. */
type Wanted = (seq: number, said: Said) => boolean;

/** Base64 characters of a command in one frame: a terminal in canonical mode takes lines of up to 4095 bytes. */
const pieceLength = 2_000;
/** Lines of an answer asked for at once. */
const windowLines = 128;
/** First wait for an acknowledgement, in milliseconds; doubles with each try. */
const answerMs = 3_000;
const longestAnswerMs = 24_000;
/** A running command is asked after, in case the end of its answer was lost. */
const askAfterMs = 20_000;
/** A killed command must be gone by then. */
const killGraceMs = 30_000;
/** Longest time without a whole frame before the line is given up, in milliseconds. */
const silenceMs = 60_000;
/** More than this is not for a serial line, in bytes. receiver.sh takes one byte more of each stream, and no further. */
const maxOutputBytes = 4 * 1024 * 1024;

const frameLine = /~(?:(nak)|(\d+) (?:(ok|run|end)|(\d+) ([A-Za-z0-9+/= ]*)))~$/;

export class SerialShell implements AsyncDisposable {
  readonly #console: Console;
  readonly #stopWatching: () => void;
  #seq = 0;
  #running: Promise<unknown> | undefined;
  /** The run whose answer is being put together. */
  #answer: { readonly seq: number; readonly answer: CommandAnswer } | undefined;
  /** What has been said and not been looked at yet: a whole answer may come at one go. */
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
   * Logs in on the console, or uses the shell that is there, and sets up the far end.
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
   * Runs a command with `sh -c`; its stdin is empty. A status other than 0 is a result, not an error. What the command
   * leaves running goes on; the result has what was printed until the command itself ended.
   * In the guest, SIGINT and SIGQUIT are ignored by the command, as for any job that a script puts in the background.
   * @throws ExpectationFailed COMMAND_TIMED_OUT (the line can be used again), CONSOLE_ENDED
   * @throws HarnessError LINE_TOO_NOISY, OUTPUT_TOO_LARGE (over 4 MiB), MISUSE (a command is under way)
   */
  async run(command: string, options: RunOptions): Promise<CommandResult> {
    if (this.#running !== undefined) {
      throw new HarnessError("MISUSE", `asked to run ${quote(command)} while another command is under way`);
    }
    this.#running = this.#run(command, options);
    try {
      return (await this.#running) as CommandResult;
    } finally {
      this.#running = undefined;
      this.#answer = undefined;
    }
  }

  /** Ends the far end, which logs out; getty asks for a name again. */
  async [Symbol.asyncDispose](): Promise<void> {
    const frame = this.#frame("q", "-");
    // The machine may be gone already; then there is nobody to log out.
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

  /** Starts a command and waits for its end. @returns true if it had to be killed */
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
      // Whoever gave up waiting wants the line back, not the command.
      if (signal.aborted) await this.#console.write("\x03").catch(() => {});
      throw error;
    }
    for (const grace = new Deadline(killGraceMs); !grace.passed; ) {
      await this.#console.write("\x03");
      if ((await this.#next(ended, answerMs, signal)) !== undefined) return true;
      await this.#write(frame); // the answer may have been cut off by the ^C
    }
    throw new ExpectationFailed(
      "COMMAND_TIMED_OUT",
      `a command did not end in ${formatDuration(timeoutMs)}, and could not be killed in ${formatDuration(killGraceMs)} more`,
      { hint: 'It may hang in the kernel; look for "blocked for more than" on the console.' },
    );
  }

  /** Asks for what is missing of an answer until it is whole. */
  async #collect(answer: CommandAnswer, command: string, signal: AbortSignal): Promise<CommandResult> {
    let silence = new Deadline(silenceMs);
    let received = -1;
    for (;;) {
      if ((answer.length ?? 0) > maxOutputBytes) {
        throw new HarnessError(
          "OUTPUT_TOO_LARGE",
          `${quote(command)} printed more than ${formatBytes(maxOutputBytes)}`,
          {
            hint: `A serial line is for up to ${formatBytes(maxOutputBytes)}: print less of it, with tail or grep.`,
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
      if (silence.passed) throw this.#noisy(`no whole line of the output of ${quote(command)}`);
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
    // The line end before it closes off whatever an interrupted frame has left.
    await this.#console.write(`\n${text} ${cksum(`${text}\n`)}\n`).catch((cause) => {
      throw consoleEnded(cause);
    });
  }

  /** Sends a frame again and again until it is answered. @returns the word that answered it */
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

  /** Waits for a frame; lines that keep coming keep it waiting. @returns undefined if it did not come in `quietMs` */
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
      `the serial shell got ${what} in ${formatDuration(silenceMs)}; ${last === undefined ? "nothing came at all" : `last on the console: ${JSON.stringify(last)}`}`,
      { hint: "The guest may hang, or something else may be writing to its console." },
    );
  }
}

function consoleEnded(cause?: unknown): ExpectationFailed {
  return new ExpectationFailed("CONSOLE_ENDED", "the console ended while a command was under way", { cause });
}

/** A command as an error quotes it. */
function quote(command: string): string {
  const line = command.length > 80 ? `${command.slice(0, 77)}...` : command;
  return JSON.stringify(line);
}
