/** Installs exactly the npm packages of package-lock.json. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { lastLines, runCommand } from "./run-command.mjs";
import { SetupError } from "./setup-error.mjs";

/** Time limit of npm: it retries a registry that does not answer, and a slow connection needs a few minutes. */
const TIMEOUT_MS = 15 * 60_000;

/**
 * The flags that livelab needs, because a flag overrides the user's environment and ~/.npmrc: install all packages of the
 * lock, with their programs, into this folder, and run none of their scripts. The last flags set the form of npm's output,
 * which npmFailure() reads.
 * Source: npm-ci(1), npm config(7).
 */
const NPM_CI = [
  "ci",
  ...["--include=dev", "--include=optional", "--include=peer", "--ignore-scripts", "--bin-links"],
  ...["--no-global", "--location=project", "--no-workspaces", "--install-strategy=hoisted"],
  ...["--package-lock", "--no-package-lock-only", "--no-dry-run"],
  ...["--no-audit", "--no-fund", "--loglevel=warn", "--no-color", "--no-json", "--no-progress"],
];

/** Settings that no flag can reset: packages for another platform, and folders of a workspace. */
const UNWANTED_SETTING = /^npm_config_(cpu|os|libc|workspaces?)$/i;

/**
 * Whether node_modules matches the lock. It compares the lock with npm's record of installed packages, so a manual `npm ci`
 * also counts. Optional packages for other platforms are only in the lock.
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

/** Whether a package and npm's links to its programs exist. */
function isWhole(root, path, { bin = {} }) {
  if (!existsSync(join(root, path, "package.json"))) return false;
  const isNested = path.lastIndexOf("node_modules/") > 0;
  return isNested || Object.keys(bin).every((name) => existsSync(join(root, "node_modules", ".bin", name)));
}

/** Whether an optional package contains programs for this platform, such as the compiler and the formatter. */
function isForThisHost({ os, cpu, libc }) {
  if (os === undefined && cpu === undefined) return false; // npm may leave it out for other reasons
  const fits = (list, ours) => list === undefined || list.includes(ours);
  return fits(os, process.platform) && fits(cpu, process.arch) && (libc === undefined || libc.includes(hostLibc()));
}

/** The C library of this host, determined in the same way as npm does. */
const hostLibc = () => (process.report.getReport().header.glibcVersionRuntime === undefined ? "musl" : "glibc");

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages;
  } catch {
    return undefined; // missing or damaged: npm ci reports it, or writes it again
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
      "Set HOME to a writable folder, then run the command again.",
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
      `npm ci succeeded, but node_modules does not match package-lock.json:\n${lastLines(output)}`,
      "Check npm's settings (npm config ls -l), or run `npm ci --include=dev --include=optional` yourself.",
    );
  }
}

/** False if HOME is not set and the user has no entry in /etc/passwd, as in some containers. */
function hasHomeFolder() {
  try {
    return homedir() !== "";
  } catch {
    return false;
  }
}

/** The npm that runs this program, or else the npm in PATH. */
function npmCommand(env) {
  const path = env.npm_execpath ?? "";
  return basename(path) === "npm-cli.js" ? [process.execPath, path] : ["npm"];
}

/**
 * Turns the output of a failed `npm ci` into an error for the user.
 * @param {string} output npm's output
 */
export function npmFailure(output) {
  const said = `\n${troubleIn(output)}`;
  if (/^npm: spawn npm ENOENT/m.test(output)) {
    return new SetupError(3, "npm is not in PATH", "Install npm (it comes with Node), then run the command again.");
  }
  if (/EINTEGRITY/.test(output)) {
    return new SetupError(
      4,
      `npm fetched a package whose digest is not the one in package-lock.json; it was not installed:${said}`,
      "Fetch it again after npm cache verify, or from another registry (npm config get registry).",
    );
  }
  if (/ENOTCACHED/.test(output)) {
    return new SetupError(
      4,
      `npm is set to work offline, and its cache lacks packages of package-lock.json:${said}`,
      "Allow npm to use the network (unset npm_config_offline; npm config set offline false), then run the command again.",
    );
  }
  if (/ERR_INVALID_URL/.test(output)) {
    return new SetupError(
      4,
      `npm's registry or proxy is not a URL:${said}`,
      "Correct it (npm config get registry; npm config get proxy; npm config get https-proxy), then run the command again.",
    );
  }
  const [, cache] = /^npm error path (.*)\/_cacache\b/m.exec(output) ?? [];
  if (/ENOTDIR/.test(output) && cache !== undefined) {
    return new SetupError(
      3,
      `npm cannot make its cache folder ${cache}: a part of this path is not a folder`,
      "Set HOME or npm_config_cache to a writable folder, then run the command again.",
    );
  }
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|CERT_|network/.test(output)) {
    return new SetupError(
      4,
      `npm cannot fetch the packages of package-lock.json from its registry:${said}`,
      "Check the network and the registry (npm config get registry; npm config get proxy), then run the command again.",
    );
  }
  if (/EUSAGE|EJSONPARSE|package-lock\.json/.test(output)) {
    return new SetupError(
      4,
      `npm cannot use package-lock.json:${said}`,
      "Restore it (git checkout -- package-lock.json), or update it after a change of package.json (npm install).",
    );
  }
  if (/ENOSPC|EDQUOT|EACCES|EPERM|EROFS/.test(output)) {
    return new SetupError(
      3,
      `npm cannot write the packages to this folder:${said}`,
      "Make the clone and ~/.npm writable, with free space, then run the command again.",
    );
  }
  return new SetupError(4, `npm ci failed:${said}`, "Run `npm ci` to see its complete output.");
}

/** The first lines of npm's errors, which name the cause; stack, usage and the path of the log follow them. */
function troubleIn(output) {
  const [beforeUsage] = output.split(/^npm error Clean install a project$/m);
  const lines = beforeUsage.split("\n").filter((line) => /^npm error +\S/.test(line) && !/^npm error +at /.test(line));
  return lastLines(lines.length > 0 ? lines.slice(0, 12).join("\n") : output);
}
