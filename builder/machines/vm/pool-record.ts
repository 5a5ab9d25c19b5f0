/**
 * What the pool of the builder VM holds, kept beside its disk, so that a question about it needs no machine.
 * The pool is the truth: the record is written anew whenever a machine has looked.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { replaceFile } from "../../home/draft.js";
import type { LivelabHome } from "../../home/home.js";

const poolRecord = z.object({
  version: z.literal(1),
  /** The pool was made: a disk on which it cannot be found is not a new one. */
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

/** Where it is kept. */
export const poolRecordFile = (home: LivelabHome): string => join(home.vm, "pool.json");

/** The record, or that of a pool not made yet where there is none; one that cannot be read says nothing of stages. */
export async function readPoolRecord(file: string): Promise<PoolRecord> {
  try {
    return poolRecord.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    return { version: 1, created: (error as NodeJS.ErrnoException).code !== "ENOENT", stages: [] };
  }
}

/** Writes the record whole or not at all. */
export async function savePoolRecord(file: string, record: PoolRecord): Promise<void> {
  await replaceFile(file, `${JSON.stringify(record, null, 2)}\n`);
}

/** What pool.sh prints: a line "snapshot <name> <key> <ms>" a stage. */
export function parsePoolStages(text: string): PoolRecord["stages"] {
  return text.split("\n").flatMap((line) => {
    const [word, snapshot, key, ms] = line.split(" ");
    if (word !== "snapshot" || snapshot === undefined || key === undefined) return [];
    return [{ snapshot, key, durationMs: Number(ms) || 0 }];
  });
}
