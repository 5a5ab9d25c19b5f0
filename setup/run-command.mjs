/** Runs a program to its end within a limit and keeps what it printed. */
import { spawn } from "node:child_process";

/**
 * @typedef {object} CommandResult
 * @property {number | undefined} code exit status; undefined when it was ended by a signal or never started
 * @property {string} output stdout and stderr as they came, and at the end why it did not end by itself
 */

/**
 * @param {readonly string[]} argv program and arguments
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs: number }} options
 * @returns {Promise<CommandResult>} never rejects
 */
export function runCommand([program, ...args], { cwd, env = process.env, timeoutMs }) {
  return new Promise((resolve) => {
    const chunks = [];
    const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    const end = (code, reason) => {
      clearTimeout(timer);
      resolve({ code, output: [Buffer.concat(chunks).toString().trimEnd(), reason].filter(Boolean).join("\n") });
    };
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    // A child for which no descriptor is left has no streams.
    child.stdout?.on("data", (chunk) => chunks.push(chunk));
    child.stderr?.on("data", (chunk) => chunks.push(chunk));
    child.once("error", (error) => end(undefined, `${program}: ${error.message}`));
    child.once("close", (code, signal) => {
      end(code ?? undefined, signal === null ? "" : `${program} was ended by ${signal}; its limit was ${timeoutMs} ms`);
    });
  });
}

/** The last lines of a program's output: where it says what went wrong. */
export function lastLines(text, count = 15) {
  return text
    .split("\n")
    .slice(-count)
    .map((line) => `    ${line}`)
    .join("\n");
}
