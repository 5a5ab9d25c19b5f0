/**
 * Types receiver.sh into a shell and starts it. An answer that the guest computes from a typed line proves that the line
 * arrived. serial-login.ts starts the shell, serial-shell.ts talks to the receiver.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatDuration } from "../../base/format.js";
import { findProjectRoot } from "../../base/project-root.js";
import { ExpectationFailed } from "../harness-error.js";
import { cksum } from "./cksum.js";
import type { Console } from "./console.js";
import type { Deadline } from "./deadline.js";
import { loginPrompt } from "./serial-login.js";

/** Longest piece of the receiver typed at once, in characters: short enough that a lost character costs little. */
const pieceLength = 200;

/** First timeout for an answer, in milliseconds. It grows by half with each try. */
const firstWaitMs = 3_000;

/** A line to type, the form of the shell's answer, and the right text of that answer's first group. */
interface Step {
  readonly line: string;
  readonly pattern: RegExp;
  readonly right: string;
}

/**
 * Types the receiver into the running shell, each piece until the guest's own checksum of it is right, and starts it.
 * @returns false if the shell ended in the meantime, so that getty prompts for a name again
 * @throws ExpectationFailed TIMED_OUT, CONSOLE_ENDED
 */
export async function startReceiver(console: Console, deadline: Deadline, signal: AbortSignal): Promise<boolean> {
  for (const step of stepsFor(await readReceiver())) {
    if (!(await typeUntilRight(console, step, deadline, signal))) return false;
  }
  return true;
}

function stepsFor(receiver: string): readonly Step[] {
  const source = Buffer.from(receiver).toString("base64");
  const pieces: Step[] = [];
  for (let from = 0; from < source.length; from += pieceLength) {
    const piece = source.slice(from, from + pieceLength);
    pieces.push(assignment(`r${pieces.length}`, piece, piece));
  }
  return [
    // Starts a plain shell first: bash would edit the line, beep and redraw. If "sh" is garbled, bash stays, and its version
    // and PS1 spoil the answer; if the shell ended, getty would take the second line for a name.
    {
      line: 'PS1= PS2= exec sh\nstty -echo && echo "~shell $((6*7))$BASH_VERSION$PS1~"',
      pattern: /~shell (\d+)~/,
      right: "42",
    },
    ...pieces,
    // Checks the whole receiver before it runs: a receiver without one of its pieces would print "ready" and end.
    assignment("whole", pieces.map((_, index) => `$r${index}`).join(""), source),
    // If the receiver runs already, it answers this line, which is not a frame, with a nak. That proves as much.
    { line: 'exec sh -c "$(printf %s "$whole"|base64 -d)"', pattern: /~(?:nak|ready)~()/, right: "" },
  ];
}

/** Assigns a shell variable and prints the checksum of its value. */
function assignment(name: string, words: string, value: string): Step {
  return {
    line: `${name}=${words};echo "~${name} $(printf %s "$${name}"|cksum)~"`,
    pattern: new RegExp(`~${name} (\\d+ \\d+)~`),
    right: `${cksum(value)} ${value.length}`,
  };
}

/** The receiver's text without comments and indentation. */
async function readReceiver(): Promise<string> {
  const text = await readFile(join(findProjectRoot(), "harness/console/receiver.sh"), "utf8");
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#")).join("\n");
}

/** Types the line until the guest gives the right answer, with a longer timeout each time. @returns false at getty's prompt */
async function typeUntilRight(
  console: Console,
  { line, pattern, right }: Step,
  deadline: Deadline,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = new RegExp(`${pattern.source}|(?<login>${loginPrompt.source})`);
  for (let waitMs = firstWaitMs; ; ) {
    await console.write(`${line}\n`);
    const timeoutMs = Math.min(waitMs, deadline.leftMs);
    try {
      const what = "the shell's answer to a typed line";
      const { match } = await console.waitFor(answer, { what, on: "prompt", timeoutMs, signal });
      if (match.groups?.["login"] !== undefined) return false;
      if (match[1] === right) return true;
    } catch (error) {
      if (!(error instanceof ExpectationFailed && error.code === "TIMED_OUT")) throw error;
      if (deadline.passed) {
        throw new ExpectationFailed(
          "TIMED_OUT",
          `logged in, but the shell gave no right answer in ${formatDuration(deadline.timeoutMs)}: ${error.message}`,
          { cause: error },
        );
      }
      waitMs *= 1.5;
    }
    await console.write("\x03\n"); // an open quote or half a line must not swallow the next try
  }
}
