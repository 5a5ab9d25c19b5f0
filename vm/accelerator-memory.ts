/**
 * What probes found, kept for as long as it holds: until the host boots again or QEMU changes.
 * Not here: what is probed, and when (accelerator.ts).
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface AcceleratorFindings {
  /** What a guest under KVM did. */
  readonly kvm?:
    | { readonly works: true; readonly afterMs: number }
    | { readonly works: false; readonly detail: string };
  /** Milliseconds to the first line of a guest under emulation. */
  readonly tcgAfterMs?: number;
}

export class AcceleratorMemory {
  /** The file, for whoever wants a verdict forgotten. */
  readonly path: string;
  readonly #key: string;

  private constructor(path: string, key: string) {
    this.path = path;
    this.#key = key;
  }

  /** @param stateDir folder for the file; made when there is something to keep */
  static async open(stateDir: string, qemuVersion: string): Promise<AcceleratorMemory> {
    const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    return new AcceleratorMemory(join(stateDir, "accelerator.json"), `boot ${bootId}, QEMU ${qemuVersion}`);
  }

  /** What is known of this boot and this QEMU; nothing when the file is of another, or unreadable. */
  async recall(): Promise<AcceleratorFindings> {
    const text = await readFile(this.path, "utf8").catch(() => "");
    return parseFindings(text, this.#key);
  }

  /** Adds to what is known. */
  async keep(more: AcceleratorFindings): Promise<void> {
    const kept = { key: this.#key, findings: { ...(await this.recall()), ...more } };
    await mkdir(dirname(this.path), { recursive: true });
    const draft = `${this.path}.${process.pid}`;
    await writeFile(draft, `${JSON.stringify(kept, null, 2)}\n`);
    await rename(draft, this.path);
  }
}

/** Nothing, where the text is no findings or its key is another. */
function parseFindings(text: string, key: string): AcceleratorFindings {
  try {
    const { key: keptKey, findings } = JSON.parse(text);
    if (keptKey !== key || typeof findings !== "object") return {};
    const { kvm, tcgAfterMs } = findings;
    return {
      ...(typeof tcgAfterMs === "number" && { tcgAfterMs }),
      ...(kvm?.works === true && typeof kvm.afterMs === "number" && { kvm: { works: true, afterMs: kvm.afterMs } }),
      ...(kvm?.works === false && { kvm: { works: false, detail: String(kvm.detail) } }),
    };
  } catch {
    return {};
  }
}
