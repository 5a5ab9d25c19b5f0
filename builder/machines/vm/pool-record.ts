/**
 * The record of the stages in the builder VM's pool, stored next to its disk, so that livelab can read it without a machine.
 * The pool is authoritative: livelab rewrites the record whenever a machine has listed the pool.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { replaceFile } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";

const poolRecord = z.object({
  version: z.literal(1),
  /** Whether the pool was created. If so, a disk without a pool is damaged, not new. */
  created: z.boolean(),
  stages: z.array(
    z.object({
      /** "triton/debian-live-<stamp>@<stage>-done" */
      snapshot: z.string(),
      key: z.string(),
      /** How long the stage took, in milliseconds. */
      durationMs: z.number(),
    }),
  ),
});

export type PoolRecord = z.infer<typeof poolRecord>;

/** Path of the record. */
export const poolRecordFile = (home: LivelabHome): string => join(home.vm, "pool.json");

/** Reads the record. No file means that the pool does not exist yet; an unreadable file, that its stages are unknown. */
export async function readPoolRecord(file: string): Promise<PoolRecord> {
  try {
    return poolRecord.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    return { version: 1, created: (error as NodeJS.ErrnoException).code !== "ENOENT", stages: [] };
  }
}

/** Writes the record atomically. */
export async function savePoolRecord(file: string, record: PoolRecord): Promise<void> {
  await replaceFile(file, `${JSON.stringify(record, null, 2)}\n`);
}

/** Parses the output of pool.sh: a line "snapshot <name> <key> <ms>" for each stage. */
export function parsePoolStages(text: string): PoolRecord["stages"] {
  return text.split("\n").flatMap((line) => {
    const [word, snapshot, key, ms] = line.split(" ");
    if (word !== "snapshot" || snapshot === undefined || key === undefined) return [];
    return [{ snapshot, key, durationMs: Number(ms) || 0 }];
  });
}
