/**
 * Keys of stages (DESIGN D7): a digest of all inputs that shape a stage's output, including the key of the stage before it.
 * Equal keys mean equal layers, on this host and in any release.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf, formatDigest } from "../profile/digest.js";
import type { Lock } from "../profile/lock.js";
import type { TreeDescription } from "./proto-tree.js";
import type { Stage } from "./stages.js";

/** Inputs of what is made from packages alone. */
export interface PackageMaterial {
  readonly lock: Lock;
  /** Folder of the stages' shell files. */
  readonly stageFolder: string;
}

/** All inputs of a build. */
export interface KeyMaterial extends PackageMaterial {
  /** Key of the base whose tools the stages use. */
  readonly baseKey: string;
  readonly proto: TreeDescription;
  /** Text of the file gitstatus (release/git-status.ts). */
  readonly gitStatus: string;
}

/** Key of one stage. @param before key of the stage before it, or undefined for the first @param stamp stamp of the release */
export async function stageKey(
  stage: Stage,
  before: string | undefined,
  stamp: string,
  material: KeyMaterial,
): Promise<string> {
  const { lock, stageFolder } = material;
  const parts: Record<string, string> = {
    before: before ?? `base ${material.baseKey}`,
    profile: lock.profile.name,
    epoch: String(lock.profile.epoch),
    environment: JSON.stringify(stage.environment?.(lock) ?? {}),
  };
  const scripts = ["lib", stage.name, ...(stage.artifact ? [stage.artifact.script] : []), ...(stage.scripts ?? [])];
  for (const script of scripts) {
    parts[`script ${script}`] = await readFile(join(stageFolder, `${script}.sh`), "utf8");
  }
  for (const set of stage.sets) parts[`set ${set}`] = formatDigest(lock.set(set).digest);
  if (stage.npm) parts["npm"] = lock.npm.map((file) => `${file.path} ${formatDigest(file.digest)}`).join("\n");
  if (stage.proto) parts["proto"] = digestOf(material.proto);
  if (stage.source) parts["source"] = material.gitStatus;
  if (stage.stamped) parts["stamp"] = stamp;
  return digestOf(parts);
}
