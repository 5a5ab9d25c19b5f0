/**
 * The disks of a scenario: empty files at the start of a run, kept from boot to boot.
 * A run that passes removes them; a run that fails leaves them for inspection.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createRawDisk } from "../../vm/disk-image.js";
import { HarnessError } from "../harness-error.js";
import type { Scenario } from "./scenario.js";

export class ScenarioDisks {
  readonly #folder: string;
  readonly #names: readonly string[];

  /** Makes the disks in `<folder>/disks`, replacing earlier ones. @throws VmError DISK_NOT_MADE */
  static async create({ disks = {} }: Scenario, folder: string): Promise<ScenarioDisks> {
    const made = new ScenarioDisks(join(folder, "disks"), Object.keys(disks));
    await made.remove();
    if (made.#names.length > 0) await mkdir(made.#folder, { recursive: true });
    for (const [name, mib] of Object.entries(disks)) await createRawDisk(made.path(name), mib * 1024 * 1024);
    return made;
  }

  private constructor(folder: string, names: readonly string[]) {
    this.#folder = folder;
    this.#names = names;
  }

  /** @throws HarnessError MISUSE when the scenario has no such disk */
  path(name: string): string {
    if (this.#names.includes(name)) return join(this.#folder, `${name}.raw`);
    throw new HarnessError("MISUSE", `the scenario has no disk ${name}; it has: ${this.#names.join(", ") || "none"}`);
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}
