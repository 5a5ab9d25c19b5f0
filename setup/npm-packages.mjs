/** The npm packages: what package-lock.json says, no more and no less. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { lastLines, runCommand } from "./run-command.mjs";
import { SetupError } from "./setup-error.mjs";

/** npm retries a registry that does not answer; on a slow line the packages take a few minutes. */
const TIMEOUT_MS = 15 * 60_000;

/**
 * What livelab needs of npm, whatever the user's environment, ~/.npmrc or production server asks for: all packages of the
 * lock, with their programs, into this folder, and none of their scripts run. A flag goes before every other setting.
 * Then how npm speaks: npmFailure() reads it.
 * Source: npm-ci(1), npm config(7).
 */
const NPM_CI = [
  "ci",
  ...["--include=dev", "--include=optional", "--include=peer", "--ignore-scripts", "--bin-links"],
  ...["--no-global", "--location=project", "--no-workspaces", "--install-strategy=hoisted"],
  ...["--package-lock", "--no-package-lock-only", "--no-dry-run"],
  ...["--no-audit", "--no-fund", "--loglevel=warn", "--no-color", "--no-json", "--no-progress"],
];

/** Settings that no flag takes back: another platform's packages, and folders of a workspace. */
const UNWANTED_SETTING = /^npm_config_(cpu|os|libc|workspaces?)$/i;

/**
 * True when node_modules holds what the lock says. Compared with npm's own record of what it installed, so a set-up by
 * hand with `npm ci` counts; optional packages for other platforms are in the lock only.
 * @param {string} root the clone
 */
export function npmPackagesMatch(root) {
  const wanted = readPackages(join(root, "package-lock.json"));
  const present = readPackages(join(root, "node_modules", ".package-lock.json"));
  if (wanted === undefined || present === undefined) return false;
  const paths = Object.keys(wanted).filter((path) => path !== "");
  return (
    paths.every((path) =>
      path in present
        ? present[path].integrity === wanted[path].integrity && isWhole(root, path, wanted[path])
        : wanted[path].optional === true && !isForThisHost(wanted[path]),
    ) && Object.keys(present).every((path) => path in wanted)
  );
}

/** Whether a package is there, and its programs are where npm links them. */
function isWhole(root, path, { bin = {} }) {
  if (!existsSync(join(root, path, "package.json"))) return false;
  const isNested = path.lastIndexOf("node_modules/") > 0;
  return isNested || Object.keys(bin).every((name) => existsSync(join(root, "node_modules", ".bin", name)));
}

/** Whether an optional package holds programs for this platform, as compiler and formatter do. */
function isForThisHost({ os, cpu, libc }) {
  if (os === undefined && cpu === undefined) return false; // npm may leave it out for other reasons
  const fits = (list, ours) => list === undefined || list.includes(ours);
  return fits(os, process.platform) && fits(cpu, process.arch) && (libc === undefined || libc.includes(hostLibc()));
}

/** As npm finds it. */
const hostLibc = () => (process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc");

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined; // absent or torn: npm ci will say so, or make it anew
  }
}

/**
 * Runs `npm ci`.
 * @param {string} root the clone
 * @throws SetupError
 */
export async function installNpmPackages(root) {
  if (!hasHomeFolder()) {
    throw new SetupError(
      3,
      `npm keeps its cache in a home folder, and uid ${process.getuid()} has none`,
      "Set HOME to a folder that you may write to, then run the command again.",
    );
  }
  const npm = npmCommand(process.env);
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !UNWANTED_SETTING.test(name)));
  delete env.NODE_ENV; // npm takes "production" for --omit=dev
  const { code, output } = await runCommand([...npm, ...NPM_CI], { cwd: root, env, timeoutMs: TIMEOUT_MS });
  if (code !== 0) throw npmFailure(output);
  if (!npmPackagesMatch(root)) {
    throw new SetupError(
      4,
      `npm ci ended well, yet node_modules is not what package-lock.json says:\n${lastLines(output)}`,
      "Look at npm's settings (npm config ls -l), or run `npm ci --include=dev --include=optional` by hand.",
    );
  }
}

/** False for a user without an entry in /etc/passwd, as in a container, when HOME is not set either. */
function hasHomeFolder() {
  try {
    return homedir() !== "";
  } catch {
    return false;
  }
}

/** The npm that runs us, where one does; it need not be the first in PATH. */
function npmCommand(env) {
  const path = env.npm_execpath ?? "";
  return basename(path) === "npm-cli.js" ? [process.execPath, path] : ["npm"];
}

/**
 * What an `npm ci` that failed means for its user.
 * @param {string} output what npm printed
 */
export function npmFailure(output) {
  const said = `\n${troubleIn(output)}`;
  if (/^npm: spawn npm ENOENT/m.test(output)) {
    return new SetupError(
      3,
      "npm was not found in PATH",
      "Install npm (it comes with Node), then run the command again.",
    );
  }
  if (/EINTEGRITY/.test(output)) {
    return new SetupError(
      4,
      `npm fetched a package whose digest is not the one in package-lock.json; it was not installed:${said}`,
      "Ask for it again, or from another registry: npm cache verify; npm config get registry",
    );
  }
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|CERT_|network/.test(output)) {
    return new SetupError(
      4,
      `npm could not fetch the packages of package-lock.json from its registry:${said}`,
      "Check the network and the registry (npm config get registry; npm config get proxy), then run the command again.",
    );
  }
  if (/EUSAGE|EJSONPARSE|package-lock\.json/.test(output)) {
    return new SetupError(
      4,
      `package-lock.json cannot be used:${said}`,
      "Restore it (git checkout -- package-lock.json), or make it anew after a change of package.json (npm install).",
    );
  }
  if (/ENOSPC|EDQUOT|EACCES|EPERM|EROFS/.test(output)) {
    return new SetupError(
      3,
      `npm could not write its packages to this folder:${said}`,
      "Make the clone and ~/.npm folders that you may write to, with free space, then run the command again.",
    );
  }
  return new SetupError(4, `npm ci failed:${said}`, "Run `npm ci` by hand to see all that it says.");
}

/** npm names the trouble first; its stack, its usage and the path of its log come after. */
function troubleIn(output) {
  const [beforeUsage] = output.split(/^npm error Clean install a project$/m);
  const lines = beforeUsage.split("\n").filter((line) => /^npm error +\S/.test(line) && !/^npm error +at /.test(line));
  return lastLines(lines.length > 0 ? lines.slice(0, 12).join("\n") : output);
}
