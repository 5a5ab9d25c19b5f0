/**
 * What probes found, kept for a day, as long as the host has not booted again, QEMU is the same, and the process has the
 * same view of the host: a container may be denied what the host may do, and the other way round.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, readlink, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";

/** ISO 8601, UTC. */
const foundAt = z.string();

/** A finding that is not as it was written counts as none; the others stay. */
const acceleratorFindings = z.object({
  /** What a guest under KVM did. */
  kvm: z
    .discriminatedUnion("works", [
      z.object({ works: z.literal(true), afterMs: z.number(), foundAt }),
      z.object({ works: z.literal(false), detail: z.string(), foundAt }),
    ])
    .optional()
    .catch(undefined),
  /** Milliseconds to the first line of a guest under emulation. */
  tcg: z.object({ afterMs: z.number(), foundAt }).optional().catch(undefined),
});

const cacheFile = z.object({ key: z.string(), findings: acceleratorFindings });

export type AcceleratorFindings = Readonly<z.infer<typeof acceleratorFindings>>;

/** For so long a finding holds, in milliseconds: what was found on a busy host, or before a driver was loaded, passes. */
const LIFETIME_MS = 24 * 60 * 60 * 1000;
const FILE_NAME = "accelerator.json";

export class AcceleratorCache {
  readonly path: string;
  readonly #key: string;

  private constructor(path: string, key: string) {
    this.path = path;
    this.#key = key;
  }

  /** @param stateDir folder for the file; made when there is something to keep */
  static async open(stateDir: string, qemuPath: string, qemuVersion: string): Promise<AcceleratorCache> {
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    const { size, mtimeMs } = await stat(qemuPath);
    // Their numbers differ in a container, and from one container to the next.
    const namespaces = await Promise.all(
      ["user", "mnt"].map((kind) => readlink(`/proc/self/ns/${kind}`).catch(() => `${kind} unknown`)),
    );
    const key = [`boot ${bootId}`, `QEMU ${qemuVersion}`, `${qemuPath} ${size} ${mtimeMs}`, ...namespaces].join(", ");
    return new AcceleratorCache(join(stateDir, FILE_NAME), key);
  }

  /** What is known and still holds; nothing when the file is of another key, or unreadable. */
  async load(): Promise<AcceleratorFindings> {
    return parseFindings(await readFile(this.path, "utf8").catch(() => ""), this.#key, Date.now());
  }

  /** Adds to what is known. A folder that cannot be written to keeps nothing: the next decision probes again. */
  async save(more: AcceleratorFindings): Promise<void> {
    const content = { key: this.#key, findings: { ...(await this.load()), ...more } };
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
    const { key, findings } = cacheFile.parse(JSON.parse(text));
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

/** Findings are kept when they still hold; none when the file has another key. */
function parseFindings(text: string, key: string, nowMs: number): AcceleratorFindings {
  const file = cacheFile.safeParse(parseJson(text));
  if (!file.success || file.data.key !== key) return {};
  // A time to come is of a clock that was wrong.
  const holds = ({ foundAt }: { readonly foundAt: string }): boolean => {
    const ageMs = nowMs - Date.parse(foundAt);
    return ageMs >= 0 && ageMs < LIFETIME_MS;
  };
  const { kvm, tcg } = file.data.findings;
  return { ...(kvm && holds(kvm) && { kvm }), ...(tcg && holds(tcg) && { tcg }) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
