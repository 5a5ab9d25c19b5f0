/**
 * Artifacts (DESIGN D7): expensive, reproducible results in the store, under a key of their inputs, so that they are made
 * only once: the ZFS modules of one kernel, the initramfs, and GRUB's images.
 */
import { mkdir, open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { finished } from "node:stream/promises";
import { isThere } from "../../base/is-there.js";
import { StageError } from "../builder-error.js";
import type { ExecResult, SshConnection } from "../channel/ssh-connection.js";
import { Draft } from "../home/draft.js";
import type { LivelabHome } from "../home/home.js";
import { writeFailure } from "../home/write-failure.js";
import { digestOf, formatDigest } from "../profile/digest.js";
import { narrowTree } from "./proto-tree.js";
import { type KeyMaterial, type PackageMaterial, stageKey } from "./stage-key.js";
import { type ArtifactSpec, type PackageArtifact, type RootArtifact, type Stage, stages } from "./stages.js";

/** Path of an artifact at the gateway. */
export const artifactUrl = ({ name }: ArtifactSpec): string => `/artifact/${name}`;

/** Path of an artifact in the store; the file may not exist yet. */
export const artifactPath = (home: LivelabHome, { name }: ArtifactSpec, key: string): string =>
  join(home.store, "artifacts", key, name);

/** Digest of all inputs of an artifact. */
export const artifactKey = (spec: ArtifactSpec, material: KeyMaterial): Promise<string> =>
  spec.kind === "packages" ? packageArtifactKey(spec, material) : rootArtifactKey(spec, material);

/**
 * Key of the artifact of a stage that runs on top of the stages `below` (keys, oldest first).
 * @returns undefined if the stage has none, or may neither use nor store it: `livelab build -r STAMP postinstall` keeps results
 *   of earlier stages, and the present inputs, of which the key is made, may be others
 */
export async function usableArtifactKey(
  stage: Stage,
  below: readonly string[],
  material: KeyMaterial,
): Promise<string | undefined> {
  const { artifact } = stage;
  if (artifact === undefined) return undefined;
  if (artifact.kind === "root" && below.at(-1) !== [...(await keysBelow(artifact, material)).values()].at(-1))
    return undefined;
  return await artifactKey(artifact, material);
}

/** Key of an artifact that is made from packages alone. */
export async function packageArtifactKey(
  { script, set, madeFor }: PackageArtifact,
  { lock, stageFolder }: PackageMaterial,
): Promise<string> {
  const madeForPackages = lock
    .set("image")
    .packages.filter(({ name }) => madeFor !== undefined && name.startsWith(madeFor));
  return digestOf({
    base: formatDigest(lock.set("base").digest),
    library: await readFile(join(stageFolder, "lib.sh"), "utf8"),
    script: await readFile(join(stageFolder, `${script}.sh`), "utf8"),
    set: formatDigest(lock.set(set).digest),
    packages: lock.profile.sets.find(({ name }) => name === set)?.packages.join(" ") ?? "",
    madeFor: madeForPackages.map(({ digest }) => formatDigest(digest)).join(" "),
  });
}

/**
 * The paths of all files of proto/ count, because a new file may hide one of Debian's, or bring a program to read it. The
 * key of install_usr_triton covers the packages, lib.sh, the machine's base and the time of the files.
 */
async function rootArtifactKey(spec: RootArtifact, material: KeyMaterial): Promise<string> {
  const parts: Record<string, string> = {
    on: (await keysBelow(spec, material)).get(spec.on) ?? "",
    proto: digestOf(narrowTree(material.proto, spec.proto)),
    environment: JSON.stringify(spec.environment(material.lock)),
  };
  for (const script of [spec.script, ...spec.scripts])
    parts[`script ${script}`] = await readFile(join(material.stageFolder, `${script}.sh`), "utf8");
  return digestOf(parts);
}

/** Names of the stages before that of the artifact, in order, and the keys that the present inputs give them. */
async function keysBelow(spec: RootArtifact, material: KeyMaterial): Promise<ReadonlyMap<string, string>> {
  const keys = new Map<string, string>();
  let before: string | undefined;
  for (const stage of stages) {
    if (stage.artifact === spec) break;
    before = await stageKey(stage, before, "", material); // none of them is stamped
    keys.set(stage.name, before);
  }
  return keys;
}

/** Whether the artifact exists. */
export async function hasArtifact(path: string): Promise<boolean> {
  return await isThere(path);
}

/**
 * Copies a stage's file into the store, completely or not at all.
 * @throws StageError STAGE_OUTPUT if the stage did not make the file; BuilderError NOT_WRITABLE, HOST_DISK_FULL;
 * SshError as SshConnection.exec() does
 */
export async function keepArtifact(
  ssh: Pick<SshConnection, "exec">,
  file: string,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await using draft = await Draft.begin(path);
    const out = (await open(draft.path, "w")).createWriteStream();
    const written = finished(out);
    written.catch(() => undefined); // exec() reports it first
    let copied: ExecResult;
    try {
      copied = await ssh.exec(`cat '${file}'`, { stdout: out, ...(signal === undefined ? {} : { signal }) });
    } finally {
      out.end();
    }
    await written;
    if (copied.status !== 0)
      throw new StageError("STAGE_OUTPUT", `the stage did not make ${file}: ${copied.stderr.trim()}`, {
        hint: "see the stage's log, and the expected path in builder/stages/stages.ts",
      });
    await draft.commit();
  } catch (error) {
    throw writeFailure(path, error);
  }
}
