/**
 * From getty's prompt to a shell that answers. Prompts are only hints of when to type: that a name arrived whole is
 * known when it is echoed, that there is a shell when it has computed an answer.
 * Sources: agetty(8) (echo, ^U), login(1), pam_unix ("Password: ", "Login incorrect").
 * Not here: what the shell is told then (receiver.ts).
 */
import { formatDuration } from "../../base/format.js";
import { ExpectationFailed } from "../harness-error.js";
import type { Console, ConsoleMatch } from "./console.js";
import { Deadline } from "./deadline.js";

export interface LoginOptions {
  readonly user: string;
  /** Typed if one is asked for. */
  readonly password?: string;
  /** Longest time until commands can be run, in milliseconds; counts from the call. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Getty's prompt, or login's own after a refusal. "Last login: " is none. */
export const loginPrompt = /(?<!\S)(?!Last )\S+ login: $/;

/** What comes next on the way to a shell. A hint is what may be a shell's prompt, and as well "Linux … #" of "#1 SMP". */
type Turn = "login" | "password" | "refused" | "answer" | "hint";

const turns: Record<Turn, RegExp> = {
  login: loginPrompt,
  password: /(?:P|p)assword(?: for \S+)?: $/,
  refused: /Login incorrect|Authentication failure|Login timed out/,
  answer: /~shell-\d+~/,
  hint: /[#$%>] ?$/,
};
const anyTurn = new RegExp(
  Object.entries(turns)
    .map(([turn, { source }]) => `(?<${turn}>${source})`)
    .join("|"),
);

/**
 * A shell answers it with `~shell-7~`, which its echo is not, and of which no lost character makes an open quote.
 * The ^U before it takes back what is left of another.
 */
const probe = (count: number): string => `\x15printf ~%s-%s~\\\\n shell ${count}\n`;

/** Time from the first probe to the second, in milliseconds; half as much again from each to the next, up to a limit. */
const firstPaceMs = 1_000;
const longestPaceMs = 5_000;

/** A prompt may be lost to a kernel line or a flushed buffer: after this long without one, Enter brings another. */
const nudgeMs = 5_000;

/** A wrong answer may be the line's fault once: it loses characters where nothing is echoed. */
const maxRefusals = 2;

/**
 * Gets to a shell that answers, whether getty is asking for a name or has given a shell at once. Where getty asks
 * again before that, because the shell ended, it logs in again.
 * @throws ExpectationFailed LOGIN_REFUSED, TIMED_OUT, CONSOLE_ENDED
 */
export async function logIn(console: Console, options: LoginOptions, deadline: Deadline): Promise<void> {
  const login = new Login(console, options, deadline);
  do await login.passGetty();
  while (!(await login.shellAnswers()));
}

class Login {
  readonly #console: Console;
  readonly #options: LoginOptions;
  readonly #deadline: Deadline;
  /** Text before this position has been dealt with. */
  #from: number;
  /** The name that was given to getty last is ours, and so are the password asked for and the shell that comes. */
  #named = false;
  #refusals = 0;

  constructor(console: Console, options: LoginOptions, deadline: Deadline) {
    this.#console = console;
    this.#options = options;
    this.#deadline = deadline;
    this.#from = console.position - console.partial.length;
  }

  /** Answers what is asked, until there may be a shell. */
  async passGetty(): Promise<void> {
    for (;;) {
      const next = await this.#nextTurn(nudgeMs);
      if (next === undefined) {
        if (this.#named) return; // a prompt may be empty
        await this.#console.write("\n");
        continue;
      }
      this.#from = next.end;
      switch (next.turn) {
        case "login":
          this.#named = await this.#typeName();
          break;
        case "password":
          await this.#console.write(`${this.#password()}\n`);
          break;
        case "refused":
          this.#takeRefusal(next.text);
          break;
        case "hint":
          // Before a login, a line of the boot that ends in such a sign is no prompt.
          if (this.#named || next.end === this.#console.position) return;
          break;
        case "answer": // late, from a shell that has ended
          break;
        default:
          return next.turn satisfies never;
      }
    }
  }

  /** Asks at a pace whether there is a shell. @returns false if there is not, because something else is asked for */
  async shellAnswers(): Promise<boolean> {
    for (let count = 1, paceMs = firstPaceMs; ; count += 1) {
      await this.#console.write(probe(count));
      const pace = new Deadline(paceMs);
      for (let next = await this.#nextTurn(pace.leftMs); next !== undefined; next = await this.#nextTurn(pace.leftMs)) {
        if (next.turn === "answer") return true;
        if (next.turn !== "hint") return false;
        this.#from = next.end;
      }
      paceMs = Math.min(longestPaceMs, paceMs * 1.5);
    }
  }

  /** @returns undefined if nothing of the kind came in `waitMs` @throws ExpectationFailed TIMED_OUT at the deadline */
  async #nextTurn(
    waitMs: number,
  ): Promise<{ readonly turn: Turn; readonly text: string; readonly end: number } | undefined> {
    const found = await this.#waitFor(anyTurn, "a login or shell prompt", waitMs);
    if (found === undefined) return undefined;
    const [turn, text] = Object.entries(found.match.groups ?? {}).find(([, text]) => text !== undefined) ?? [];
    return { turn: turn as Turn, text: text ?? "", end: found.end };
  }

  /** Types the name and sees it echoed whole; takes it back if it was not. */
  async #typeName(): Promise<boolean> {
    const { user } = this.#options;
    await this.#console.write(user);
    const echo = await this.#waitFor(
      new RegExp(`(?<= login: )${escapeRegExp(user)}$`),
      "the echo of the name",
      nudgeMs,
    );
    if (echo === undefined) {
      this.#from = this.#console.position; // what has been asked meanwhile was asked of something else
      await this.#console.write("\x15\n"); // ^U takes the name back, and an empty name brings a new prompt
      return false;
    }
    this.#from = echo.end;
    await this.#console.write("\n");
    return true;
  }

  #password(): string {
    if (!this.#named) return ""; // something typed before its time was taken for a name
    const { password } = this.#options;
    if (password === undefined) throw this.#refusal("asked for a password, and none was given");
    return password;
  }

  #takeRefusal(text: string): void {
    if (!this.#named) return;
    this.#named = false;
    this.#refusals += 1;
    if (this.#refusals === maxRefusals) throw this.#refusal(`said ${JSON.stringify(text)}`);
  }

  async #waitFor(pattern: RegExp, what: string, waitMs: number): Promise<ConsoleMatch | undefined> {
    const { signal } = this.#options;
    const timeoutMs = Math.min(waitMs, this.#deadline.leftMs);
    try {
      return await this.#console.waitFor(pattern, { what, on: "prompt", from: this.#from, timeoutMs, signal });
    } catch (error) {
      if (!(error instanceof ExpectationFailed && error.code === "TIMED_OUT")) throw error;
      if (!this.#deadline.passed) return undefined;
      const limit = formatDuration(this.#deadline.timeoutMs);
      throw new ExpectationFailed("TIMED_OUT", `no shell on the console in ${limit}: ${error.message}`, {
        cause: error,
      });
    }
  }

  #refusal(what: string): ExpectationFailed {
    const { user, password } = this.#options;
    return new ExpectationFailed("LOGIN_REFUSED", `the guest did not let ${user} log in on the console: it ${what}`, {
      hint:
        password === undefined
          ? "Give the password whose hash stands in node.config as root_shadow."
          : "The password must belong to the hash that stands in node.config as root_shadow; was node.config served, and did the guest read it?",
    });
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
