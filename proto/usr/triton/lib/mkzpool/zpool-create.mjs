/** Runs `zpool create` to its end. */

import { spawn } from "node:child_process";
import { PoolError } from "./pool-error.mjs";

const INTERRUPTS = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs zpool in a process group of its own, and outlasts one interrupt, so that an interrupted caller leaves no disks that are
 * half labelled: the pool is there as a whole, or zpool has said why not. A second interrupt ends this process; zpool goes on.
 *
 * @param {readonly string[]} argv
 * @param {object} options
 * @param {string} [options.passphrase] passphrase for zpool's standard input. @default none; with `terminal` zpool asks for it
 * @param {boolean} options.terminal whether zpool may use the caller's terminal
 * @param {(what: string) => void} options.warn
 * @returns {Promise<NodeJS.Signals | undefined>} the interrupt, if there was one
 * @throws PoolError with zpool's words if it fails
 */
export async function zpoolCreate(argv, { passphrase, terminal, warn }) {
  let interrupt;
  const note = (signal) => {
    interrupt = signal;
    for (const each of INTERRUPTS) process.removeListener(each, note);
    warn("waiting for zpool to finish; interrupt again to leave it alone");
  };
  for (const each of INTERRUPTS) process.on(each, note);
  try {
    const { status, said } = await run(argv, passphrase, terminal);
    if (status !== 0) throw new PoolError(said || `zpool ended with ${status}`);
    return interrupt;
  } finally {
    for (const each of INTERRUPTS) process.removeListener(each, note);
  }
}

/** zpool's exit status or signal, and its error messages on one line. */
function run(argv, passphrase, terminal) {
  return new Promise((resolve, reject) => {
    const child = spawn("zpool", argv, {
      // Scripts of Triton's agent have a PATH without the folders of administration.
      env: { ...process.env, PATH: [process.env.PATH, "/usr/sbin:/sbin"].filter(Boolean).join(":"), LC_ALL: "C" },
      stdio: [terminal ? "inherit" : "pipe", terminal ? "inherit" : "ignore", "pipe"],
      detached: true,
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    // zpool does not read its input if it refuses the pool before.
    child.stdin?.on("error", () => {}).end(passphrase ?? "");
    child.on("error", ({ code }) => reject(new PoolError(`cannot run zpool (${code})`)));
    child.on("close", (status, signal) =>
      resolve({ status: status ?? signal, said: said.trim().replace(/\s*\n\s*/g, "; ") }),
    );
  });
}
