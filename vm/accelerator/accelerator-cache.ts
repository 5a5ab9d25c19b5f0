/**
 * Stores the results of probes for a day. A result is valid until the host reboots or QEMU changes, and only for processes in
 * the same namespaces: a container may lack a permission that the host has, or have one that the host lacks.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, readlink, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";

/** ISO 8601, UTC. */
const foundAt = z.string();

/** A malformed finding counts as missing; the others stay valid. */
const acceleratorFindings = z.object({
  /** The result of a guest under KVM. */
  kvm: z
    .discriminatedUnion("works", [
      z.object({ works: z.literal(true), afterMs: z.number(), foundAt }),
      z.object({ works: z.literal(false), detail: z.string(), foundAt }),
    ])
    .optional()
    .catch(undefined),
  /** The result of a guest under emulation; `afterMs` is the time to its first line. */
  tcg: z.object({ afterMs: z.number(), foundAt }).optional().catch(undefined),
});

const cacheFile = z.object({ key: z.string(), findings: acceleratorFindings });

export type AcceleratorFindings = Readonly<z.infer<typeof acceleratorFindings>>;

/** How long a finding is valid, in milliseconds: a busy host or a missing driver may be temporary. */
const LIFETIME_MS = 24 * 60 * 60 * 1000;
const FILE_NAME = "accelerator.json";

export class AcceleratorCache {
  readonly path: string;
  readonly #key: string;

  private constructor(path: string, key: string) {
    this.path = path;
    this.#key = key;
  }

  /** Opens the cache. @param stateDir folder for the file, created by save() */
  static async open(stateDir: string, qemuPath: string, qemuVersion: string): Promise<AcceleratorCache> {
    // Without procfs, the lifetime of a finding is its only limit.
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "unknown")).trim();
    const { size, mtimeMs } = await stat(qemuPath);
    // The numbers of the namespaces differ between the host and each container.
    const namespaces = await Promise.all(
      ["user", "mnt"].map((kind) => readlink(`/proc/self/ns/${kind}`).catch(() => `${kind} unknown`)),
    );
    const key = [`boot ${bootId}`, `QEMU ${qemuVersion}`, `${qemuPath} ${size} ${mtimeMs}`, ...namespaces].join(", ");
    return new AcceleratorCache(join(stateDir, FILE_NAME), key);
  }

  /** Loads the findings that are still valid; no findings if the file is unreadable or has another key. */
  async load(): Promise<AcceleratorFindings> {
    return parseFindings(await readFile(this.path, "utf8").catch(() => ""), this.#key, Date.now());
  }

  /** Adds findings to the file. If the folder is not writable, does nothing: the next decision probes again. */
  async save(more: AcceleratorFindings): Promise<void> {
    const content = { key: this.#key, findings: { ...(await this.load()), ...more } };
    await mkdir(dirname(this.path), { recursive: true })
      .then(() => replaceFile(this.path, content))
      .catch(() => undefined);
  }
}

/** Deletes all findings, so that the next decision probes again. @param stateDir as for open() */
export async function forgetFindings(stateDir: string): Promise<void> {
  await rm(join(stateDir, FILE_NAME), { force: true });
}

/** Deletes the finding on KVM and keeps the one on emulation. Does nothing if there are no findings. */
export async function forgetKvmFinding(stateDir: string): Promise<void> {
  const path = join(stateDir, FILE_NAME);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return;
  try {
    const { key, findings } = cacheFile.parse(JSON.parse(text));
    const { kvm, ...others } = findings;
    if (kvm !== undefined) await replaceFile(path, { key, findings: others });
  } catch {
    await rm(path, { force: true }); // the file is damaged, or cannot be replaced
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

/** Parses the file. @returns the findings that are still valid; no findings if the file has another key */
function parseFindings(text: string, key: string, nowMs: number): AcceleratorFindings {
  const file = cacheFile.safeParse(parseJson(text));
  if (!file.success || file.data.key !== key) return {};
  // A time in the future means that the clock was wrong.
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
