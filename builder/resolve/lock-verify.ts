/**
 * Checks the lock of a profile: `livelab lock verify`. loadLock() has checked the format already. These checks prove that
 * apt can resolve each set from the lock alone, and that every file is in the store or at a mirror.
 */
import { LivelabError } from "../../base/livelab-error.js";
import { InputError } from "../builder-error.js";
import { describeLockedFile, type Lock, type LockedFile } from "../profile/lock.js";
import { parseLockSet } from "../profile/lock-set.js";
import type { LockSpec } from "../profile/profiles.js";
import { missingFiles } from "../store/fetch.js";
import { Gateway } from "../store/gateway.js";
import { httpGet } from "../store/http-get.js";
import { addressesOf, proxyWith } from "../store/mirrors.js";
import { compareSets, describeChange } from "./lock-update.js";
import { type ResolveRequest, Resolver } from "./resolver.js";

export interface VerifyRequest extends ResolveRequest {
  readonly lock: Lock<LockSpec>;
}

const PARALLEL_REQUESTS = 8;

/**
 * Resolves if the lock passes all checks.
 * @throws InputError UNSATISFIED if apt cannot install a set from its lock, or the lock has other packages than
 *   the profile needs; UNAVAILABLE with every file that is neither in the store nor at a mirror
 */
export async function verifyLock(request: VerifyRequest): Promise<void> {
  const { progress, lock, store } = request;
  await progress.step("resolve the sets from the lock", () => resolveFromLock(request));
  await progress.step("find every file", async (step) => {
    const missing = await missingFiles(lock.files(), store);
    const queue = [...missing];
    const unavailable: LockedFile[] = [];
    const work = async (): Promise<void> => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        step.status(`checking mirrors: ${missing.length - queue.length}/${missing.length} files`);
        if (!(await isAtMirror(file, request))) unavailable.push(file);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_REQUESTS }, work));
    if (unavailable.length === 0) return;
    const names = unavailable.map((file) => `\n  ${describeLockedFile(file)}`).sort();
    throw new InputError("UNAVAILABLE", `files that are neither in the store nor at a mirror:${names.join("")}`, {
      hint: "set LIVELAB_MIRROR to a mirror that has them, or make a new lock: livelab lock update",
    });
  });
}

async function resolveFromLock({ projectRoot, lock, store, openMachine, signal }: VerifyRequest): Promise<void> {
  const { profile } = lock;
  await using gateway = new Gateway();
  gateway.stage = "lock verify";
  for (const set of lock.sets) gateway.serveSet(set, store);
  await using machine = await openMachine(gateway);
  for (const spec of profile.sets) {
    const locked = lock.set(spec.name);
    const sources = `deb [trusted=yes] ${machine.gatewayUrl}/${spec.name}/ ./\n`;
    await using resolver = await Resolver.open(machine, { projectRoot, profile, sources, signal });
    if (spec.on !== undefined) await resolver.writeFile(`${spec.on}.Packages`, lock.set(spec.on).text);
    const unsatisfied = (why: string, cause?: unknown): InputError =>
      new InputError("UNSATISFIED", `set ${spec.name} of profile ${profile.name}: ${why}`, {
        hint: `livelab lock update -p ${profile.name}`,
        cause,
      });
    const text = await resolver.resolve(spec).catch((error: Error) => {
      throw error instanceof InputError ? unsatisfied(error.message, error) : error;
    });
    const changes = compareSets(locked, parseLockSet(spec.name, text, `${spec.name}.Packages as apt resolves it`));
    if (changes.length > 0)
      throw unsatisfied(
        `apt needs other packages than those in the lock:${changes.map((c) => `\n  ${describeChange(c)}`).join("")}`,
      );
  }
}

async function isAtMirror(file: LockedFile, { lock, mirrors, proxy, signal }: VerifyRequest): Promise<boolean> {
  for (const address of addressesOf(file, lock.profile, mirrors)) {
    try {
      const response = await httpGet(address, { method: "HEAD", proxy: proxyWith(proxy, mirrors), signal });
      response.discard();
      const length = Number(response.headers["content-length"] ?? Number.NaN);
      const rightSize = file.kind === "npm" || Number.isNaN(length) || length === file.size;
      if (response.status === 200 && rightSize) return true;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof LivelabError) throw error;
      // This mirror does not answer: try the next one.
    }
  }
  return false;
}
