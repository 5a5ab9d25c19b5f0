/** Runs a program with a time limit, and collects its output. */
import { spawn } from "node:child_process";

/**
 * @typedef {object} CommandResult
 * @property {number | undefined} code exit status; undefined if a signal ended the program or it did not start
 * @property {string} output stdout and stderr in their order, and at the end why the program did not exit by itself
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
    // A child has no streams if no file descriptors are left.
    child.stdout?.on("data", (chunk) => chunks.push(chunk));
    child.stderr?.on("data", (chunk) => chunks.push(chunk));
    child.once("error", (error) => end(undefined, `${program}: ${error.message}`));
    child.once("close", (code, signal) => {
      end(code ?? undefined, signal === null ? "" : `${program} was ended by ${signal}; its limit was ${timeoutMs} ms`);
    });
  });
}

/** The last lines of a program's output, indented; they usually name the error. */
export function lastLines(text, count = 15) {
  return text
    .split("\n")
    .slice(-count)
    .map((line) => `    ${line}`)
    .join("\n");
}
