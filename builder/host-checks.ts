/** Checks whether this host can build, for `livelab doctor`. vm/qemu/qemu-checks.ts checks QEMU. */
import { statfs } from "node:fs/promises";
import { formatBytes } from "../base/format.js";
import type { HostCheck } from "../base/host-check.js";
import { type BuildContext, machineScripts } from "./build-context.js";
import type { MachineChoice } from "./choose-machine.js";
import { checkNamespaces } from "./machines/sandbox/namespace-check.js";
import { missingFiles } from "./store/fetch.js";

/** Space recommended in LIVELAB_HOME: a first build with its downloads took 4 GiB (measured). */
const ROOM_NEEDED_BYTES = 6 * 1024 ** 3;

/** @param choice the default machine of this host */
export async function checkBuildHost(buildContext: BuildContext, choice: MachineChoice): Promise<readonly HostCheck[]> {
  const { asRoot, projectRoot } = buildContext.options;
  return [
    await checkNamespaces({ home: buildContext.home, scripts: machineScripts(projectRoot), asRoot }),
    describeChoice(choice),
    await checkRoom(buildContext.home.root),
    await checkInputs(buildContext),
  ];
}

const describeChoice = ({ kind, reason }: MachineChoice): HostCheck => ({
  name: "builder machine",
  state: "ok",
  detail: kind === "vm" ? `a VM: ${reason}` : `the sandbox; a VM would run with ${reason}`,
});

async function checkRoom(folder: string): Promise<HostCheck> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const detail = `${formatBytes(free)} free in ${folder}`;
  if (free >= ROOM_NEEDED_BYTES) return { name: "LIVELAB_HOME", state: "ok", detail };
  return {
    name: "LIVELAB_HOME",
    state: "warning",
    detail: `${detail}; a first build takes up to ${formatBytes(ROOM_NEEDED_BYTES)}`,
    remedy: "livelab gc, or set LIVELAB_HOME to a folder on a larger disk",
  };
}

async function checkInputs(buildContext: BuildContext): Promise<HostCheck> {
  const name = `inputs of profile ${buildContext.lock.profile.name}`;
  const all = buildContext.lock.files();
  const missing = await missingFiles(all, buildContext.store);
  if (missing.length === 0) return { name, state: "ok", detail: `all ${all.length} files are in the store` };
  const { debian } = await buildContext.findMirrors();
  return {
    name,
    state: "warning",
    detail: `${missing.length} of ${all.length} files are not in the store yet; a build fetches them from ${[...new Set(debian.map(({ origin }) => origin))].join(", then ")}`,
    remedy: "livelab inputs fetch, or without a network livelab inputs import FILE",
  };
}
