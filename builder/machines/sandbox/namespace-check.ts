/**
 * Whether this host lets livelab run the sandbox, found out by doing in small what the sandbox does.
 * Sources: user_namespaces(7), subuid(5), newuidmap(1), Documentation/filesystems/overlayfs.rst.
 * Not here: what is tried (namespace-trial.sh).
 */
import { mkdir } from "node:fs/promises";
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
  /** The trial is made in its folder of machines: the file system there has to bear overlayfs. */
  readonly home: LivelabHome;
  /** Folder with namespace-trial.sh. */
  readonly scripts: string;
  /** Whether livelab runs as root. */
  readonly asRoot: boolean;
}

const LONGEST_TRIAL_MS = 10_000;

/** Asks for namespaces, then runs the trial the way the sandbox is run. */
export async function checkNamespaces(trial: NamespaceTrial): Promise<HostCheck> {
  const name = "namespaces for the sandbox";
  const { asRoot } = trial;
  const refusal = await namespaceRefusal(asRoot);
  const failure = refusal === undefined ? await failureOfTrial(trial) : { tried: "", reason: firstLine(refusal) };
  if (failure === undefined) {
    return { name, state: "ok", detail: asRoot ? "made as root" : "made in a user namespace" };
  }
  const remedy = `${remedyFor(failure, asRoot)}${asRoot ? "" : "; or run as root"}`;
  return { name, state: "missing", detail: failure.reason, remedy };
}

interface TrialFailure {
  /** What the trial had come to; empty when it never began. */
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

/** As many layers as a whole release has, with the state that a failed stage left and the empty one below all. */
const TRIAL_LAYERS = stageNames.length + 2;

/** Lays out the trial's folder: root/, upper/, work/, and the mount overlay/, whose lowest layer has the folder old/. */
async function layOutTrial(folder: string, asRoot: boolean): Promise<void> {
  const within = (name: string): string => join(folder, name);
  const lower = Array.from({ length: TRIAL_LAYERS }, (_, index) => within(`layer-${index}`));
  for (const made of [...["root", "upper", "work"].map(within), ...lower]) await mkdir(made, { recursive: true });
  await mkdir(join(lower.at(-1) as string, "old/file"), { recursive: true });
  await layOutOverlay(within("overlay"), { lower, upper: within("upper"), work: within("work") }, asRoot);
}

const RANGES =
  'give this user 65536 ids of its own in /etc/subuid and /etc/subgid: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$USER"';

/** What to do about the first thing that failed. */
function remedyFor({ tried, reason }: TrialFailure, asRoot: boolean): string {
  switch (tried) {
    case "ids":
      return RANGES;
    case "mounts":
      return "this host forbids mounts that a machine needs, as some containers and AppArmor do: run livelab outside the container; on Ubuntu 24.04 sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0";
    case "overlay":
      return "set LIVELAB_HOME to a folder on a local ext4, xfs or btrfs, on Linux 5.11 or newer";
  }
  if (/ENOENT|unrecognized option/.test(reason)) return "install util-linux 2.38 or newer (setpriv, unshare)";
  if (asRoot) {
    return "this host forbids namespaces even to root, as some containers do: allow CAP_SYS_ADMIN, or run livelab outside the container";
  }
  if (/\/etc\/sub[ug]id|range .* not allowed/.test(reason)) return RANGES;
  if (/new[ug]idmap/.test(reason)) return "install uidmap: its newuidmap and newgidmap must be setuid root";
  return "allow user namespaces: sudo sysctl user.max_user_namespaces=65536 kernel.unprivileged_userns_clone=1 (the second on older Debian only)";
}

/** @throws BuilderError NO_NAMESPACES with the reason and the remedy (exit 3) */
export async function assertNamespaces(trial: NamespaceTrial): Promise<void> {
  const check = await checkNamespaces(trial);
  if (check.state === "ok") return;
  throw new BuilderError("NO_NAMESPACES", `the sandbox cannot run on this host: ${check.detail}`, {
    hint: check.remedy,
  });
}
