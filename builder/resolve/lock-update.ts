/**
 * Recomputes the lock of a profile: `livelab lock update`.
 * A mirror serves the indexes; apt in a builder machine verifies them and resolves each set; the result is the new lock.
 * The npm lock stays unchanged: package.json pins versions there, and `npm install --package-lock-only` writes the rest.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lockFolder } from "../profile/lock.js";
import { type LockSet, parseLockSet } from "../profile/lock-set.js";
import type { LockSpec } from "../profile/profiles.js";
import { Gateway } from "../store/gateway.js";
import { aptSources } from "./apt-sources.js";
import { type ResolveRequest, Resolver } from "./resolver.js";
import { fetchSuiteIndexes } from "./suite-indexes.js";

export interface UpdateRequest extends ResolveRequest {
  readonly profile: LockSpec;
}

/** A difference to the previous lock in one package: `from` is absent for an added one, `to` for a removed one. */
export interface LockChange {
  readonly set: string;
  readonly name: string;
  readonly from?: string;
  readonly to?: string;
}

/**
 * Writes new lock files, for all sets or for none.
 * @returns the changes, in order of set and name
 * @throws InputError UPDATE_FAILED with apt's output (e.g. a bad signature), UNAVAILABLE, WRONG_DIGEST, DISK_FULL
 */
export async function updateLock(request: UpdateRequest): Promise<LockChange[]> {
  const sets = await resolveSets(request);
  const folder = lockFolder(request.projectRoot, request.profile);
  await mkdir(folder, { recursive: true });
  const changes: LockChange[] = [];
  for (const set of sets) {
    const file = join(folder, `${set.name}.Packages`);
    const before = await readFile(file, "utf8").catch(() => undefined);
    changes.push(...compareSets(before === undefined ? undefined : parseLockSet(set.name, before, file), set));
    await writeFile(`${file}.part`, set.text);
  }
  for (const { name } of sets) await rename(join(folder, `${name}.Packages.part`), join(folder, `${name}.Packages`));
  return changes;
}

/** Resolves each set of a profile with apt; does not write files. @throws InputError see updateLock() */
export async function resolveSets(request: UpdateRequest): Promise<LockSet[]> {
  const { projectRoot, profile, store, mirrors, progress, proxy, signal } = request;
  await using gateway = new Gateway();
  gateway.stage = "lock update";
  await progress.step("fetch indexes", async (step) => {
    for (const suite of profile.suites) {
      step.status(suite.distribution);
      const files = await fetchSuiteIndexes(suite, profile, mirrors, { store, proxy, signal });
      for (const { path, bytes } of files) gateway.serveBytes(`/${suite.archive}/${path}`, bytes);
    }
  });
  const sets = await progress.step("resolve", async (step) => {
    step.status("starting a machine");
    await using machine = await request.openMachine(gateway);
    const sources = aptSources(profile, machine.gatewayUrl);
    await using resolver = await Resolver.open(machine, { projectRoot, profile, sources, signal });
    const resolved: LockSet[] = [];
    for (const spec of profile.sets) {
      step.status(spec.name);
      resolved.push(parseLockSet(spec.name, await resolver.resolve(spec), `new ${spec.name}.Packages`));
    }
    return resolved;
  });
  gateway.throwIfRefused();
  return sets;
}

/** Lists the differences between a set and its previous version. */
export function compareSets(before: LockSet | undefined, after: LockSet): LockChange[] {
  const old = new Map(before?.packages.map(({ name, version }) => [name, version]));
  const changes: LockChange[] = [];
  for (const { name, version } of after.packages) {
    const from = old.get(name);
    old.delete(name);
    if (from === version) continue;
    changes.push({ set: after.name, name, to: version, ...(from === undefined ? {} : { from }) });
  }
  for (const [name, from] of old) changes.push({ set: after.name, name, from });
  return changes.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Returns e.g. "image: + jq 1.6-2.1" or "image: curl 7.88.1 → 7.88.2". */
export function describeChange({ set, name, from, to }: LockChange): string {
  if (from === undefined) return `${set}: + ${name} ${to}`;
  return to === undefined ? `${set}: - ${name} ${from}` : `${set}: ${name} ${from} → ${to}`;
}
