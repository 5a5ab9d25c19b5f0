/** Installs Debian packages with apt-get; the caller is root on a Debian-like host. */
import { lastLines, runCommand } from "./run-command.mjs";
import { SetupError } from "./setup-error.mjs";

const TIMEOUT_MS = 20 * 60_000;

/** Maximum wait for another apt or dpkg that holds the lock, in seconds. */
const LOCK_TIMEOUT_S = 120;

/**
 * Installs packages with the existing package lists. Only if that fails it updates the lists, which takes seconds and network.
 * @param {readonly string[]} argv the command, from planFor()
 * @param {(argv: readonly string[]) => Promise<import("./run-command.mjs").CommandResult>} run
 * @throws SetupError with the end of apt's output
 */
export async function installWithApt(argv, run = runApt) {
  if ((await run(argv)).code === 0) return;
  // Without this option, apt reports success even if it reached no source.
  const update = await run(["apt-get", "update", "-o", "APT::Update::Error-Mode=any"]);
  const again = await run(argv);
  if (again.code === 0) return;
  const command = argv.join(" ");
  if (update.code !== 0) {
    throw new SetupError(
      3,
      `apt-get update failed, and so did \`${command}\`:\n${lastLines(update.output)}`,
      "Check the network and the sources in /etc/apt, then run the command again.",
    );
  }
  throw new SetupError(
    3,
    `\`${command}\` failed:\n${lastLines(again.output)}`,
    "Fix the problem that apt reports, then run the command again.",
  );
}

function runApt([program, ...args]) {
  return runCommand([program, "-o", `DPkg::Lock::Timeout=${LOCK_TIMEOUT_S}`, ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" },
    timeoutMs: TIMEOUT_MS,
  });
}
