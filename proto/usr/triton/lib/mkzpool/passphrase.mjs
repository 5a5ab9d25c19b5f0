/** The passphrase of an encrypted pool, from a standard input that is no terminal. */

import { PoolError } from "./pool-error.mjs";

/** Triton's agent runs setup with an input that stays open and empty. */
const LIMIT_MS = 10_000;

/**
 * @param {import("node:stream").Readable} input
 * @param {number} [limitMs] longest wait for the line, in milliseconds. @default 10_000
 * @returns {Promise<string>} its first line, with the line feed
 * @throws PoolError if the line does not come in time, or is empty
 */
export async function readPassphrase(input, limitMs = LIMIT_MS) {
  const timer = setTimeout(() => input.destroy(), limitMs);
  let text = "";
  try {
    for await (const chunk of input.setEncoding("utf8")) {
      text += chunk;
      if (text.includes("\n")) break;
    }
  } catch {
    // The input was destroyed, at the limit, or cannot be read: either way there is no passphrase.
  } finally {
    clearTimeout(timer);
  }
  const [line] = text.split("\n");
  if (line === "") throw new PoolError("-e needs a passphrase on standard input; this image keeps no keys");
  return `${line}\n`;
}
