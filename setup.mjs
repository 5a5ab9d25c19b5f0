#!/usr/bin/env node
/**
 * Makes a fresh clone ready: system packages, npm packages, compiled program. Says and does nothing twice.
 * `npm run setup`; also the first thing in `npm run build:hermetic` and `npm test`. `--tests` adds what only tests need.
 * This file keeps to syntax that Node 12.20 reads, so that an old Node gets a sentence and not a stack of syntax errors.
 */
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Oldest Node that livelab runs on, as in package.json's engines. */
export const OLDEST_NODE = [20, 19];

/**
 * @param {string} version a Node version, e.g. "18.19.0"
 * @returns {string | undefined} what to tell the user, or undefined when it is new enough
 */
export function nodeVersionProblem(version) {
  const parts = version.split(".").map(Number);
  const isEnough = parts[0] > OLDEST_NODE[0] || (parts[0] === OLDEST_NODE[0] && parts[1] >= OLDEST_NODE[1]);
  if (isEnough) return undefined;
  return `setup: livelab needs Node ${OLDEST_NODE.join(".")} or later; this is ${version} (${process.execPath}).
  Install a newer one from https://nodejs.org/en/download, put it first in PATH, and run the command again.`;
}

/** True when Node was started with this file, also through a link. */
function isMainModule() {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
}

if (isMainModule()) {
  const problem = nodeVersionProblem(process.versions.node);
  if (problem === undefined) {
    import("./setup/set-up.mjs").then((module) => module.main(process.argv.slice(2)));
  } else {
    console.error(problem);
    process.exitCode = 3;
  }
}
