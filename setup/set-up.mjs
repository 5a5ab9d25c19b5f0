/** The steps of set-up, in order. Each step checks first, and acts only if something is missing. */
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compile, isCompiled } from "./compile.mjs";
import { ClaimError } from "./kernel-claim.mjs";
import { installNpmPackages, npmPackagesMatch } from "./npm-packages.mjs";
import { oneAtATime } from "./one-at-a-time.mjs";
import { SetupError } from "./setup-error.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const say = (text) => console.error(`setup: ${text}`);
const seconds = (sinceMs) => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

/** @param {readonly string[]} args command line: empty */
export async function main(args) {
  try {
    if (args.length > 0) {
      console.error(`setup: unknown argument ${args[0]}\n  usage: node setup.mjs`);
      process.exitCode = 2;
      return;
    }
    await setUp();
  } catch (thrown) {
    const error = asFileTrouble(thrown) ?? thrown;
    if (error instanceof SetupError || error instanceof ClaimError) say(`${error.message}\n  ${error.hint}`);
    else say(`internal error of livelab's set-up: ${error.stack}`);
    process.exitCode = error.exitCode ?? (error instanceof ClaimError ? 3 : 70);
  }
}

async function setUp() {
  const startedAt = performance.now();
  /** The steps that are necessary now. */
  const pending = () => [...(npmPackagesMatch(root) ? [] : [npmPackages]), ...(isCompiled(root) ? [] : [compiled])];
  if (pending().length > 0) {
    const onWait = () => say("waiting for another set-up of this clone to finish");
    await oneAtATime(join(root, "dist"), onWait, async () => {
      for (const step of pending()) await step(); // check again: the other set-up may have done everything
    });
  }
  say(`ready, ${seconds(startedAt)}`);
}

function npmPackages() {
  return step("installing npm packages (npm ci)", () => installNpmPackages(root));
}

function compiled() {
  return step("compiling", () => compile(root));
}

async function step(title, work) {
  const startedAt = performance.now();
  say(`${title} …`);
  await work();
  say(`${title.split(" (")[0]}: done, ${seconds(startedAt)}`);
}

/** Turns an error of the file system into a SetupError of the host; undefined for other errors. */
function asFileTrouble(error) {
  if (!["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT"].includes(error.code)) return undefined;
  const us = process.getuid();
  const owner = ownerOf(error.path ?? root) ?? us;
  if (["EACCES", "EPERM"].includes(error.code) && owner !== us) {
    return new SetupError(
      3,
      `${error.message}: it belongs to uid ${owner}, and set-up runs as uid ${us}`,
      `Make the clone yours: sudo chown -R ${us} ${root}; then run the command again.`,
    );
  }
  return new SetupError(3, error.message, `Make ${root} writable, with free space, then run the command again.`);
}

/** The owner's uid of a path, or of the nearest existing folder above it. */
function ownerOf(path) {
  for (let at = path; at !== dirname(at); at = dirname(at)) {
    try {
      return statSync(at).uid;
    } catch {
      // missing or not accessible
    }
  }
  return undefined;
}
