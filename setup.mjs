#!/usr/bin/env node
/**
 * Prepares a fresh clone: installs npm packages, and compiles the program. A finished step is skipped.
 * `npm run setup` runs it; `npm run build:hermetic` and `npm test` run it first. The programs that livelab starts on the host
 * are locked inputs, which livelab itself unpacks (builder/tools/tools.ts).
 * This file uses only syntax that Node 12.20 can read, so that an old Node prints a clear message, not a syntax error.
 */
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The oldest Node that livelab supports, as in the engines of package.json. */
export const OLDEST_NODE = [20, 19];

/**
 * @param {string} version a Node version, e.g. "18.19.0"
 * @returns {string | undefined} a message for the user, or undefined if the version is new enough
 */
export function nodeVersionProblem(version) {
  const parts = version.split(".").map(Number);
  const isEnough = parts[0] > OLDEST_NODE[0] || (parts[0] === OLDEST_NODE[0] && parts[1] >= OLDEST_NODE[1]);
  if (isEnough) return undefined;
  return `setup: livelab needs Node ${OLDEST_NODE.join(".")} or later; this is ${version} (${process.execPath}).
  Install a newer one from https://nodejs.org/en/download, put it first in PATH, and run the command again.`;
}

/** @returns {string | undefined} a message for the user, or undefined if livelab works on this kind of host */
export function platformProblem(platform, arch) {
  if (platform === "linux" && arch === "x64") return undefined;
  return `setup: livelab needs Linux on x86-64; this Node is for ${platform} on ${arch} (${process.execPath}).
  Use such a host, or a Node for x64.`;
}

/** Whether Node was started with this file, directly or through a link. */
function isMainModule() {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
}

if (isMainModule()) {
  const problem = nodeVersionProblem(process.versions.node) || platformProblem(process.platform, process.arch);
  if (problem === undefined) {
    import("./setup/set-up.mjs").then((module) => module.main(process.argv.slice(2)));
  } else {
    console.error(problem);
    process.exitCode = 3;
  }
}
