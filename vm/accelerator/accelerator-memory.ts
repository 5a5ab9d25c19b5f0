/**
 * What probes found, kept for a day, as long as the host has not booted again, QEMU is the same, and the process has the
 * same view of the host: a container may be denied what the host may do, and the other way round.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, readlink, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface AcceleratorFindings {
  /** What a guest under KVM did. */
  readonly kvm?:
    | { readonly works: true; readonly afterMs: number; readonly foundAt: string }
    | { readonly works: false; readonly detail: string; readonly foundAt: string };
  /** Milliseconds to the first line of a guest under emulation. */
  readonly tcg?: { readonly afterMs: number; readonly foundAt: string };
}

/** For so long a finding holds, in milliseconds: what was found on a busy host, or before a driver was loaded, passes. */
const LIFETIME_MS = 24 * 60 * 60 * 1000;
const FILE_NAME = "accelerator.json";

export class AcceleratorMemory {
  readonly path: string;
  readonly #key: string;

  private constructor(path: string, key: string) {
    this.path = path;
    this.#key = key;
  }

  /** @param stateDir folder for the file; made when there is something to keep */
  static async open(stateDir: string, qemuPath: string, qemuVersion: string): Promise<AcceleratorMemory> {
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const { size, mtimeMs } = await stat(qemuPath);
    // Their numbers differ in a container, and from one container to the next.
    const namespaces = await Promise.all(
      ["user", "mnt"].map((kind) => readlink(`/proc/self/ns/${kind}`).catch(() => `${kind} unknown`)),
    );
    const key = [`boot ${bootId}`, `QEMU ${qemuVersion}`, `${qemuPath} ${size} ${mtimeMs}`, ...namespaces].join(", ");
    return new AcceleratorMemory(join(stateDir, FILE_NAME), key);
  }

  /** What is known and still holds; nothing when the file is of another key, or unreadable. */
  async recall(): Promise<AcceleratorFindings> {
    return parseFindings(await readFile(this.path, "utf8").catch(() => ""), this.#key, Date.now());
  }

  /** Adds to what is known. A folder that cannot be written to keeps nothing: the next decision probes again. */
  async keep(more: AcceleratorFindings): Promise<void> {
    const content = { key: this.#key, findings: { ...(await this.recall()), ...more } };
    await mkdir(dirname(this.path), { recursive: true })
      .then(() => replaceFile(this.path, content))
      .catch(() => undefined);
  }
}

/** Forgets everything that probes found, so that the next decision asks anew. @param stateDir as for open() */
export async function forgetFindings(stateDir: string): Promise<void> {
  await rm(join(stateDir, FILE_NAME), { force: true });
}

/** Forgets what was found of KVM; how slow emulation is stays known. Does nothing when nothing is known. */
export async function forgetKvmFinding(stateDir: string): Promise<void> {
  const path = join(stateDir, FILE_NAME);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return;
  try {
    const { key, findings } = JSON.parse(text);
    const { kvm, ...others } = findings;
    if (kvm !== undefined) await replaceFile(path, { key, findings: others });
  } catch {
    await rm(path, { force: true }); // torn, or it cannot be replaced
  }
}

/** Replaces the file atomically, also while another process writes it. */
async function replaceFile(path: string, content: object): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(draft, `${JSON.stringify(content, null, 2)}\n`);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Nothing, where the text is no findings or its key is another; without those that have expired. */
function parseFindings(text: string, key: string, nowMs: number): AcceleratorFindings {
  try {
    const { key: keptKey, findings } = JSON.parse(text);
    if (keptKey !== key) return {};
    const { kvm, tcg } = findings;
    // A time to come is of a clock that was wrong.
    const holds = ({ foundAt }: { foundAt: unknown }): boolean => {
      const ageMs = nowMs - Date.parse(String(foundAt));
      return ageMs >= 0 && ageMs < LIFETIME_MS;
    };
    return {
      ...(typeof tcg?.afterMs === "number" && holds(tcg) && { tcg: { afterMs: tcg.afterMs, foundAt: tcg.foundAt } }),
      ...(kvm?.works === true &&
        typeof kvm.afterMs === "number" &&
        holds(kvm) && { kvm: { works: true, afterMs: kvm.afterMs, foundAt: kvm.foundAt } }),
      ...(kvm?.works === false &&
        holds(kvm) && { kvm: { works: false, detail: String(kvm.detail), foundAt: kvm.foundAt } }),
    };
  } catch {
    return {};
  }
}
