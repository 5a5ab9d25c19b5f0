/**
 * The folders of $LIVELAB_HOME, in one place.
 * Not here: what is in them (store: inputs/store.ts, layers: layers.ts, vm: machines/vm-stages.ts, releases: release.ts).
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { hasReadableName } from "../vm/writable-folder.js";
import { BuilderError } from "./builder-error.js";

export interface LivelabHome {
  /** The folder itself, absolute. */
  readonly root: string;
  /** Verified inputs and artifacts by digest. */
  readonly store: string;
  /** Roots of builder machines by key. */
  readonly bases: string;
  /** What each stage wrote, by stage key. */
  readonly layers: string;
  /** The builder VM's disk with what each stage wrote, and its saved states. */
  readonly vm: string;
  /** A folder a release: record, logs, lock. */
  readonly builds: string;
  /** Folders of running machines; empty when none runs. */
  readonly machines: string;
  /** Locks on what is being made, by its key. */
  readonly locks: string;
}

/** Makes the folders where they are missing. @throws BuilderError NOT_WRITABLE */
export async function openHome(root: string): Promise<LivelabHome> {
  if (!hasReadableName(root)) {
    throw new BuilderError("NOT_WRITABLE", `the name of LIVELAB_HOME, ${root}, has bytes that are not UTF-8`, {
      hint: "set LIVELAB_HOME to a folder whose name is UTF-8",
    });
  }
  const home: LivelabHome = {
    root,
    store: join(root, "store"),
    bases: join(root, "bases"),
    layers: join(root, "layers"),
    vm: join(root, "vm"),
    builds: join(root, "builds"),
    machines: join(root, "machines"),
    locks: join(root, "locks"),
  };
  for (const folder of Object.values(home)) {
    await mkdir(folder, { recursive: true }).catch((cause: Error) => {
      throw new BuilderError("NOT_WRITABLE", `cannot make ${folder}: ${cause.message}`, {
        hint: "set LIVELAB_HOME to a folder that you may write to",
        cause,
      });
    });
  }
  return home;
}
