/**
 * Checks whether this host lets livelab run the sandbox. namespace-trial.sh tries the sandbox's operations on a small scale.
 * Sources: user_namespaces(7), subuid(5), newuidmap(1), Documentation/filesystems/overlayfs.rst.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { HostCheck } from "../../../base/host-check.js";
import { explainSystemError } from "../../../base/system-error.js";
import { limitSignal } from "../../../base/wait-at-most.js";
import { BuilderError } from "../../builder-error.js";
import { Draft } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";
import { stageNames } from "../../stages/stages.js";
import { namespaceRefusal, startInNamespaces } from "./namespaces.js";
import { layOutOverlay } from "./overlay.js";

export interface NamespaceTrial {
  /** The trial runs in its folder of machines, because the file system there has to support overlayfs. */
  readonly home: LivelabHome;
  /** Folder with namespace-trial.sh. */
  readonly scripts: string;
  /** Whether livelab runs as root. */
  readonly asRoot: boolean;
}

const LONGEST_TRIAL_MS = 10_000;

/** Creates namespaces, then runs the trial in the same way as the sandbox. */
export async function checkNamespaces(trial: NamespaceTrial): Promise<HostCheck> {
  const name = "namespaces for the sandbox";
  const { asRoot } = trial;
  const refusal = await namespaceRefusal(asRoot);
  const failure = refusal === undefined ? await failureOfTrial(trial) : { tried: "", reason: firstLine(refusal) };
  if (failure === undefined) {
    return { name, state: "ok", detail: asRoot ? "created as root" : "created in a user namespace" };
  }
  const uidMap = await readFile("/proc/self/uid_map", "utf8");
  const remedy = `${remedyFor(failure, asRoot, uidMap)}${asRoot ? "" : "; or run as root"}`;
  return { name, state: "warning", detail: failure.reason, remedy };
}

export interface TrialFailure {
  /** The last part that the trial began; empty if it did not start. */
  readonly tried: string;
  readonly reason: string;
}

const firstLine = (text: string): string => text.trim().split("\n")[0] || "no reason given";

async function failureOfTrial({ home, scripts, asRoot }: NamespaceTrial): Promise<TrialFailure | undefined> {
  await using draft = await Draft.begin(join(home.machines, "trial"), asRoot);
  const folder = draft.path;
  await layOutTrial(folder, asRoot);
  const overdue = new Error(`no end within ${LONGEST_TRIAL_MS} ms`);
  const limit = limitSignal({ limitMs: LONGEST_TRIAL_MS, onLimit: () => overdue });
  await using trial = await startInNamespaces(join(scripts, "sandbox/namespace-trial.sh"), {
    asRoot,
    env: { TRIAL: folder },
    signal: limit,
  });
  let tried = "";
  trial.process.stdout?.setEncoding("utf8").on("data", (text: string) => {
    tried += text;
  });
  const { status, stderr, cause } = await trial.exited;
  if (status === 0) return undefined;
  if (explainSystemError(cause) !== undefined) throw cause; // says nothing about namespaces
  return {
    tried: tried.trim().split("\n").at(-1) ?? "",
    reason: limit.aborted ? overdue.message : firstLine(stderr || (cause as Error | undefined)?.message || ""),
  };
}

/** As many layers as a complete release has, plus the layer of a failed stage and the empty layer at the bottom. */
const TRIAL_LAYERS = stageNames.length + 2;

/** Creates the trial's files: root/, upper/, work/, and the mount overlay/, whose lowest layer contains the folder old/. */
async function layOutTrial(folder: string, asRoot: boolean): Promise<void> {
  const within = (name: string): string => join(folder, name);
  const lower = Array.from({ length: TRIAL_LAYERS }, (_, index) => within(`layer-${index}`));
  for (const made of [...["root", "upper", "work"].map(within), ...lower]) await mkdir(made, { recursive: true });
  await mkdir(join(lower.at(-1) as string, "old/file"), { recursive: true });
  await layOutOverlay(within("overlay"), { lower, upper: within("upper"), work: within("work") }, asRoot);
}

const RANGES =
  'give this user 65536 ids of its own in /etc/subuid and /etc/subgid: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$USER"';

const MORE_IDS =
  "run livelab outside this user namespace, or start it with more ids: unshare --map-auto --map-root-user";

/** The number of ids in a user namespace. The third field of a line is the length of a range. */
const countIds = (uidMap: string): number =>
  uidMap
    .trim()
    .split("\n")
    .reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[2]), 0);

/**
 * The remedy for the first operation that failed.
 * @param uidMap content of /proc/self/uid_map
 */
export function remedyFor({ tried, reason }: TrialFailure, asRoot: boolean, uidMap: string): string {
  switch (tried) {
    case "ids":
      return countIds(uidMap) < 65536 ? MORE_IDS : RANGES; // a user namespace cannot map ids that its parent lacks
    case "mounts":
      return "a container or AppArmor forbids mounts that a machine needs: run livelab outside the container; on Ubuntu 24.04 run sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0";
    case "overlay":
      return "set LIVELAB_HOME to a folder on a local ext4, xfs or btrfs, on Linux 5.11 or newer";
  }
  if (/ENOENT|unrecognized option/.test(reason)) return "install util-linux 2.38 or newer (setpriv, unshare)";
  if (asRoot) {
    return "this host, probably a container, forbids namespaces even to root: allow CAP_SYS_ADMIN, or run livelab outside the container";
  }
  if (/\/etc\/sub[ug]id|range .* not allowed/.test(reason)) return RANGES;
  if (/new[ug]idmap/.test(reason)) return "install uidmap: its newuidmap and newgidmap must be setuid root";
  return "allow user namespaces: sudo sysctl user.max_user_namespaces=65536 kernel.unprivileged_userns_clone=1 (the second on older Debian only)";
}

/** Checks that the sandbox can run. @throws BuilderError NO_NAMESPACES with the reason and the remedy (exit 3) */
export async function assertNamespaces(trial: NamespaceTrial): Promise<void> {
  const check = await checkNamespaces(trial);
  if (check.state === "ok") return;
  throw new BuilderError("NO_NAMESPACES", `the sandbox cannot run on this host: ${check.detail}`, {
    hint: check.remedy,
  });
}
