/** A folder of one's own that is gone when its owner is. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class TempDir implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes `<parent>/livelab-<name>-XXXXXX`. @param parent folder that exists. @default the system's temp folder */
  static async create(name: string, parent: string = tmpdir()): Promise<TempDir> {
    return new TempDir(await mkdtemp(join(parent, `livelab-${name}-`)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 });
  }
}
