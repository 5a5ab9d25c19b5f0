/**
 * Artifacts (DESIGN D7): expensive, reproducible results in the store, under a key of their inputs, so that they are made
 * only once: the ZFS modules of one kernel, and GRUB's images.
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
import type { Lock } from "../profile/lock.js";

/** A file that a stage makes unless the gateway serves it. */
export interface ArtifactSpec {
  /** Name of the file, also at the gateway below "artifact/". */
  readonly name: string;
  /** Path of the file that the stage makes, below the release's folder. */
  readonly path: string;
  /** Name of the shell file that makes it, without `.sh`. */
  readonly script: string;
  /** Lock set of the packages that make it. */
  readonly set: string;
  /** Beginning of the name of the packages in set "image" that it is made for. @default none */
  readonly madeFor?: string;
}

/** Inputs of an artifact's key. */
export interface ArtifactMaterial {
  readonly lock: Lock;
  /** Folder of the stages' shell files. */
  readonly stageFolder: string;
}

/** Path of an artifact at the gateway. */
export const artifactUrl = ({ name }: ArtifactSpec): string => `/artifact/${name}`;

/** Path of an artifact in the store; the file may not exist yet. */
export async function artifactPath(home: LivelabHome, spec: ArtifactSpec, material: ArtifactMaterial): Promise<string> {
  return join(home.store, "artifacts", await artifactKey(spec, material), spec.name);
}

/** Digest of all inputs of an artifact. */
export async function artifactKey(spec: ArtifactSpec, { lock, stageFolder }: ArtifactMaterial): Promise<string> {
  const { madeFor } = spec;
  const madeForPackages = lock
    .set("image")
    .packages.filter(({ name }) => madeFor !== undefined && name.startsWith(madeFor));
  return digestOf({
    base: formatDigest(lock.set("base").digest),
    library: await readFile(join(stageFolder, "lib.sh"), "utf8"),
    script: await readFile(join(stageFolder, `${spec.script}.sh`), "utf8"),
    set: formatDigest(lock.set(spec.set).digest),
    packages: lock.profile.sets.find(({ name }) => name === spec.set)?.packages.join(" ") ?? "",
    madeFor: madeForPackages.map(({ digest }) => formatDigest(digest)).join(" "),
  });
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
