/**
 * From getty's prompt to a shell that runs our receiver. Prompts are only hints of when to type; what was typed is known
 * to have arrived when the guest has computed an answer from it.
 * Sources: agetty(8) (echo, ^U), login(1), pam_unix ("Password: ", "Login incorrect").
 * Not here: the receiver's frames (serial-shell.ts, receiver.sh).
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatDuration } from "../../vm/format.js";
import { findProjectRoot } from "../../vm/project-root.js";
import { ExpectationFailed } from "../harness-error.js";
import { cksum } from "./cksum.js";
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

/** What stands on the line when it is our turn; one group for each. */
const turn =
  /(?<!\S)((?!Last )\S+ login: )$|((?:P|p)assword(?: for \S+)?: )$|(Login incorrect|Authentication failure|Login timed out)|([#$%>] ?)$/;

/** A shell's prompt may be lost to a kernel line or a flushed buffer: after this long without one, Enter brings another. */
const nudgeMs = 5_000;

/** A wrong answer may be the line's fault once: it loses characters where nothing is echoed. */
const maxAttempts = 2;

/** Gets to a shell, whether getty is asking for a name or has given a shell at once. @throws ExpectationFailed LOGIN_REFUSED, TIMED_OUT */
export async function logIn(console: Console, options: LoginOptions): Promise<void> {
  const deadline = new Deadline(options.timeoutMs);
  let from = console.position - console.partial.length;
  let attempts = 0;
  for (;;) {
    const found = await nextTurn(console, from, deadline, options);
    if (found === undefined) {
      from = console.position;
      await console.write("\n");
      continue;
    }
    from = found.end;
    const [, login, password, refused] = found.match;
    if (login !== undefined) {
      if (attempts === maxAttempts) throw refusal(options, "asked for a name again");
      if (!(await typeName(console, from, deadline, options))) continue;
      attempts += 1;
      from = console.position;
      await console.write("\n");
    } else if (password !== undefined) {
      if (options.password === undefined) throw refusal(options, "asked for a password, and none was given");
      await console.write(`${options.password}\n`);
    } else if (refused !== undefined) {
      if (attempts === maxAttempts) throw refusal(options, `said ${JSON.stringify(refused)}`);
    } else if (attempts > 0 || found.end === console.position) {
      return; // before a login, a line of the boot that ends in such a sign is no prompt
    }
  }
}

/** @returns undefined if nobody asked anything for a while */
async function nextTurn(
  console: Console,
  from: number,
  deadline: Deadline,
  { signal }: LoginOptions,
): Promise<ConsoleMatch | undefined> {
  const timeoutMs = Math.min(nudgeMs, deadline.leftMs);
  try {
    return await console.waitFor(turn, { what: "a login or shell prompt", on: "prompt", from, timeoutMs, signal });
  } catch (error) {
    if (error instanceof ExpectationFailed && error.code === "TIMED_OUT" && !deadline.passed) return undefined;
    throw error;
  }
}

/** Types the name and sees it echoed whole; takes it back if it was not. */
async function typeName(
  console: Console,
  from: number,
  deadline: Deadline,
  { user, signal }: LoginOptions,
): Promise<boolean> {
  await console.write(user);
  const echoed = new RegExp(`${escapeRegExp(user)}$`);
  try {
    const timeoutMs = Math.min(nudgeMs, deadline.leftMs);
    await console.waitFor(echoed, { what: "the echo of the user name", on: "prompt", from, timeoutMs, signal });
    return true;
  } catch (error) {
    if (!(error instanceof ExpectationFailed && error.code === "TIMED_OUT") || deadline.passed) throw error;
    await console.write("\x15\n"); // ^U takes the name back, and an empty name brings a new prompt
    return false;
  }
}

function refusal({ user, password }: LoginOptions, what: string): ExpectationFailed {
  return new ExpectationFailed("LOGIN_REFUSED", `the guest did not let ${user} log in on the console: it ${what}`, {
    hint:
      password === undefined
        ? "Give the password whose hash stands in node.config as root_shadow."
        : "The password must belong to the hash that stands in node.config as root_shadow; was node.config served, and did the guest read it?",
  });
}

/** Longest piece of the receiver typed at once, in characters: short enough that a lost character costs little. */
const pieceLength = 200;

/**
 * Types the receiver into the shell at hand, each piece until the guest's own checksum of it is right, and starts it.
 * @throws ExpectationFailed TIMED_OUT, CONSOLE_ENDED
 */
export async function startReceiver(console: Console, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const deadline = new Deadline(timeoutMs);
  const say = (line: string, heard: RegExp, right: string): Promise<void> =>
    typeUntil(console, line, { heard, right }, deadline, signal);
  // A plain shell first: bash would edit the line, beep and redraw.
  await say('exec env PS1= PS2= sh\nstty -echo; echo "~shell $((6*7))~"', /~shell (\d+)~/, "42");
  const source = Buffer.from(await readReceiver()).toString("base64");
  const names: string[] = [];
  for (let from = 0; from < source.length; from += pieceLength) {
    const name = `r${names.length}`;
    const piece = source.slice(from, from + pieceLength);
    await say(
      `${name}=${piece};echo "~${name} $(printf %s "$${name}"|cksum)~"`,
      new RegExp(`~${name} (\\d+ \\d+)~`),
      `${cksum(piece)} ${piece.length}`,
    );
    names.push(`$${name}`);
  }
  // A receiver that runs already answers a line that is no frame with its nak, which does as well.
  await say(`exec sh -c "$(printf %s "${names.join("")}"|base64 -d)"`, /~(?:nak|ready)~()/, "");
}

/** The receiver without its comments and indents. */
async function readReceiver(): Promise<string> {
  const text = await readFile(join(findProjectRoot(), "harness/console/receiver.sh"), "utf8");
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#")).join("\n");
}

/** What the shell should say to a line: something of this form, with this in its group. */
interface Answer {
  readonly heard: RegExp;
  readonly right: string;
}

/** Types the line again, more patiently each time, until the guest gives the right answer. */
async function typeUntil(
  console: Console,
  line: string,
  { heard, right }: Answer,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<void> {
  for (let patienceMs = 3_000; ; ) {
    const from = console.position;
    await console.write(`${line}\n`);
    const timeoutMs = Math.min(patienceMs, deadline.leftMs);
    try {
      const what = "the shell's answer to what was typed";
      const { match } = await console.waitFor(heard, { what, on: "prompt", from, timeoutMs, signal });
      if (match[1] === right) return;
    } catch (error) {
      if (!(error instanceof ExpectationFailed && error.code === "TIMED_OUT")) throw error;
      if (deadline.passed) {
        throw new ExpectationFailed(
          "TIMED_OUT",
          `logged in, but the shell gave no right answer in ${formatDuration(deadline.timeoutMs)}: ${error.message}`,
          { cause: error },
        );
      }
      patienceMs *= 1.5;
    }
    await console.write("\x03\n"); // an open quote or half a line must not swallow the next try
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
