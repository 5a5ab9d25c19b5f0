/**
 * Logs in at getty's prompt, until a shell answers. Prompts only hint at when to type. An echo proves that the name
 * arrived, and a computed answer proves that a shell runs. receiver.ts then types the receiver into that shell.
 * Sources: agetty(8) (echo, ^U), login(1), pam_unix ("Password: ", "Login incorrect").
 */
import { formatDuration } from "../../base/format.js";
import { ExpectationFailed } from "../harness-error.js";
import type { Console, ConsoleMatch } from "./console.js";
import { Deadline } from "./deadline.js";

export interface LoginOptions {
  readonly user: string;
  /** Typed if the guest prompts for a password. */
  readonly password?: string;
  /** Longest time from the call until commands can run, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Getty's prompt, or login's own after a refusal. "Last login: " does not match. */
export const loginPrompt = /(?<!\S)(?!Last )\S+ login: $/;

/** Console texts on the way to a shell. A hint may be a shell's prompt, or other text such as "Linux … #" of "#1 SMP". */
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
 * A command that a shell answers with `~shell-7~`. Its echo differs from the answer, and the loss of a character cannot
 * leave an open quote. The ^U in front deletes the rest of an earlier one.
 */
const probe = (count: number): string => `\x15printf ~%s-%s~\\\\n shell ${count}\n`;

/** Time from the first probe to the second, in milliseconds. Each next interval is 1.5 times as long, up to the limit. */
const firstPaceMs = 1_000;
const longestPaceMs = 5_000;

/** Wait for a prompt before Enter is pressed, in milliseconds. A kernel line or a flushed buffer may have lost the prompt. */
const nudgeMs = 5_000;

/** Silence after a prompt that shows that getty waits for input, in milliseconds. */
const settleMs = 500;

/** Refusals before the login fails. The line may have lost a character of the password once, without an echo to show it. */
const maxRefusals = 2;

/**
 * Logs in until a shell answers. Also works if a shell runs already, and logs in again if the shell ends and getty
 * prompts once more.
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
  /** Text before this position has been processed. */
  #from: number;
  /** Whether getty has our user name, so that the next password prompt and shell are for us. */
  #named = false;
  /** Whether login may have taken a probe for the password, because the line lost its prompt. */
  #probedInstead = false;
  #passwordTyped = false;
  #refusals = 0;

  constructor(console: Console, options: LoginOptions, deadline: Deadline) {
    this.#console = console;
    this.#options = options;
    this.#deadline = deadline;
    this.#from = console.position - console.partial.length;
  }

  /** Answers getty's and login's prompts until a shell may be running. */
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
          // After a refusal, getty may still read lines that were typed too early, and prompt once for each.
          if (this.#refusals > 0 && (await this.#says(settleMs))) break;
          this.#passwordTyped = false;
          this.#probedInstead = false;
          this.#named = await this.#typeName();
          break;
        case "password":
          this.#passwordTyped = this.#named;
          await this.#console.write(`${this.#password()}\n`);
          break;
        case "refused":
          this.#takeRefusal(next.text);
          break;
        case "hint":
          // Before a login, a boot line that ends in such a character is not a prompt.
          if (this.#named || next.end === this.#console.position) return;
          break;
        case "answer": // a late answer, from a shell that has ended
          break;
        default:
          return next.turn satisfies never;
      }
    }
  }

  /** Sends probes until a shell answers. @returns false if another prompt appears instead */
  async shellAnswers(): Promise<boolean> {
    for (let count = 1, paceMs = firstPaceMs; ; count += 1) {
      this.#probedInstead = !this.#passwordTyped;
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

  /** @returns undefined if no such text came in `patienceMs` @throws ExpectationFailed TIMED_OUT at the deadline */
  async #nextTurn(
    waitMs: number,
  ): Promise<{ readonly turn: Turn; readonly text: string; readonly end: number } | undefined> {
    const found = await this.#waitFor(anyTurn, "a login or shell prompt", waitMs);
    if (found === undefined) return undefined;
    const [turn, text] = Object.entries(found.match.groups ?? {}).find(([, text]) => text !== undefined) ?? [];
    return { turn: turn as Turn, text: text ?? "", end: found.end };
  }

  /** Types the name and checks its echo. @returns false if the echo was wrong, so that the name was deleted again */
  async #typeName(): Promise<boolean> {
    const { user } = this.#options;
    await this.#console.write(user);
    const echo = await this.#waitFor(
      new RegExp(`(?<= login: )${escapeRegExp(user)}$`),
      "the echo of the name",
      nudgeMs,
    );
    if (echo === undefined) {
      this.#from = this.#console.position; // ignores prompts that came in the meantime
      await this.#console.write("\x15\n"); // ^U deletes the name, and an empty name brings a new prompt
      return false;
    }
    this.#from = echo.end;
    await this.#console.write("\n");
    return true;
  }

  /** Whether the console says more within a time, in milliseconds. */
  async #says(waitMs: number): Promise<boolean> {
    return (await this.#waitFor(/[\s\S]$/, "more text", waitMs)) !== undefined;
  }

  #password(): string {
    if (!this.#named) return ""; // getty took earlier input for a name
    const { password } = this.#options;
    if (password === undefined) throw this.#refusal("asked for a password, but livelab has none");
    return password;
  }

  #takeRefusal(text: string): void {
    const isOurs = this.#named && !this.#probedInstead;
    this.#named = false;
    if (!isOurs) return;
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
          ? "write the password for node.config's root_shadow to a file next to it: node.config.password"
          : "check that the password matches root_shadow in node.config, and that the guest loaded node.config",
    });
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
