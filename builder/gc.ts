/**
 * `livelab gc`: removes layers, bases, artifacts and inputs that no kept release and no lock needs.
 * It needs the home exclusively: no build, shell or download may run in it.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "../base/is-there.js";
import type { BuildContext } from "./build-context.js";
import { type LivelabHome, releaseFolder } from "./home/home.js";
import { takeAlone } from "./home/home-use.js";
import { isKeyName } from "./home/key-name.js";
import { removeTree } from "./home/remove-tree.js";
import { savedStates, sweepHomeAlone } from "./home/sweep.js";
import { type MachineKind, machineKinds } from "./machines/builder-machine.js";
import { hasLock } from "./profile/lock.js";
import { loadProfile, profileNames } from "./profile/profiles.js";
import { cloudBaseOf, listReleases, type Release } from "./release/release.js";
import { artifactKey, artifactPath } from "./stages/artifacts.js";
import { stages } from "./stages/stages.js";
import { type CloudImageSource, parseBaseDigest } from "./store/cloud-image.js";
import { pinnedCloudImages } from "./store/cloud-images.js";
import { folderOf, isToolsName } from "./tools/tools.js";

export interface GcRequest {
  /** Number of releases to keep, the newest ones; at least 0. */
  readonly keep: number;
  /**
   * Build contexts of all profiles that have a lock, with each kind of machine, and of releases with their own cloud image.
   * gc keeps the files that their locks name, and the bases of their machines.
   */
  readonly buildContexts: readonly BuildContext[];
}

/** Opens the build contexts of a GcRequest for a home. @param open opens one build context */
export async function openGcContexts(
  home: LivelabHome,
  projectRoot: string,
  open: (profile: string, machine: MachineKind, cloudBase?: CloudImageSource) => Promise<BuildContext>,
): Promise<readonly BuildContext[]> {
  const buildContexts: BuildContext[] = [];
  const releases = await listReleases(home);
  for (const name of profileNames) {
    if (!(await hasLock(projectRoot, loadProfile(name)))) continue;
    const bases = releases.filter(({ profile }) => profile === name).flatMap((release) => cloudBaseOf(release) ?? []);
    for (const cloudBase of bases) buildContexts.push(await open(name, "vm", cloudBase));
    for (const machine of machineKinds) buildContexts.push(await open(name, machine));
  }
  return buildContexts;
}

export interface GcReport {
  /** All fields are numbers of removed items. */
  readonly releases: number;
  /** Results of stages in the sandbox. */
  readonly layers: number;
  /** Results of stages in the builder VM. */
  readonly snapshots: number;
  readonly bases: number;
  /** Folders of programs of livelab's own. */
  readonly tools: number;
  readonly inputs: number;
  readonly artifacts: number;
}

/** @throws BuilderError BUSY if another livelab uses the home, before a file is removed */
export async function collectGarbage(request: GcRequest): Promise<GcReport> {
  const [buildContext] = request.buildContexts;
  if (buildContext === undefined) throw new Error("gc without a profile");
  const { home } = buildContext;
  const { asRoot } = buildContext.options;
  await using _alone = await takeAlone(home);
  await sweepHomeAlone(home, asRoot);
  const releases = await listReleases(home);

  const doomed: Release[] = releases.slice(0, Math.max(0, releases.length - request.keep));
  const kept = releases.filter((release) => !doomed.includes(release));
  for (const { stamp } of doomed) await removeTree(releaseFolder(home, stamp), asRoot);

  const dropped = { layers: 0, snapshots: 0, bases: 0, tools: 0, inputs: 0, artifacts: 0 };
  for (const { machines } of onePerKind(request.buildContexts)) {
    const count = await machines.collectGarbage(kept);
    if (machines.kind === "vm") dropped.snapshots += count;
    else dropped.layers += count;
  }
  const keptBases = new Set(request.buildContexts.map(({ machines }) => machines.baseKey));
  for (const key of await readdir(home.bases)) {
    if (keptBases.has(key) || !isKeyName(key)) continue;
    await removeTree(join(home.bases, key), asRoot);
    dropped.bases += 1;
  }
  const keptTools = new Set(
    request.buildContexts.flatMap(({ toolSets }) => toolSets.map((set) => folderOf(home, set))),
  );
  for (const name of await readdir(home.tools)) {
    const folder = join(home.tools, name);
    if (keptTools.has(folder) || !isToolsName(name)) continue;
    await removeTree(folder, asRoot);
    dropped.tools += 1;
  }
  // Remove all saved states: a release does not record the QEMU and the host for which they are, and one boot makes a new one.
  await removeTree(savedStates(home), asRoot);
  const keptFiles = new Set(
    request.buildContexts.flatMap(({ lock, toolsLock, store }) =>
      [
        ...lock.files(),
        ...toolsLock.files(),
        ...pinnedCloudImages.map((image) => ({ digest: parseBaseDigest(image.digest) })),
      ].map((file) => store.pathOf(file.digest)),
    ),
  );
  for (const algorithm of ["sha256", "sha512", "tmp"]) {
    for (const path of await filesBelow(join(home.store, algorithm))) {
      if (keptFiles.has(path)) continue;
      await rm(path, { force: true });
      dropped.inputs += 1;
    }
  }
  const specs = stages.flatMap((stage) => (stage.artifact === undefined ? [] : [stage.artifact]));
  const keptArtifacts = new Set(
    await Promise.all(
      request.buildContexts.flatMap(({ material }) =>
        specs.map(async (spec) => artifactPath(home, spec, await artifactKey(spec, material))),
      ),
    ),
  );
  for (const path of await filesBelow(join(home.store, "artifacts"))) {
    if (keptArtifacts.has(path)) continue;
    await rm(path, { force: true });
    dropped.artifacts += 1;
  }
  return { releases: doomed.length, ...dropped };
}

/** One build context for each kind of machine, because a kind keeps the results of all profiles in one place. */
const onePerKind = (buildContexts: readonly BuildContext[]): BuildContext[] =>
  buildContexts.filter(
    ({ machines }, index) => buildContexts.findIndex((other) => other.machines.kind === machines.kind) === index,
  );

/** Paths of all files below a folder, which may be missing. */
async function filesBelow(folder: string): Promise<string[]> {
  if (!(await isThere(folder))) return [];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
