/**
 * Releases on this host: builds/<stamp>/release.json says which stages make one, and how each came about.
 * Not here: what the stages left (machines/), making them (build.ts).
 */
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UsageError } from "../../base/livelab-error.js";
import { BuilderError } from "../builder-error.js";
import { replaceFile } from "../home/draft.js";
import { type LivelabHome, releaseFolder } from "../home/home.js";
import { machineKinds } from "../machines/builder-machine.js";
import { parseStamp } from "../profile/stamp.js";
import { type CloudImageSource, cloudBaseWords, parseCloudBase } from "../store/cloud-image.js";

/** One stage of a release. */
export const stageRecord = z.object({
  name: z.string(),
  key: z.string(),
  /** The layer was there before this build came to the stage. */
  reused: z.boolean(),
  /** How long the stage took when it ran, in milliseconds. */
  durationMs: z.number(),
});

const releaseRecord = z.object({
  version: z.literal(1),
  stamp: z.string(),
  profile: z.string(),
  /** Where its stages ran: what they left is kept there. */
  machine: z.enum(machineKinds).default("sandbox"),
  /** The cloud image in which the builder VM's root was made, where one was asked for: --base and --base-digest. */
  base: cloudBaseWords.optional(),
  /** In the order run; each layer lies upon the one before it. */
  stages: z.array(stageRecord),
  /** Of its squashfs, where another than the profile's was asked for. */
  compression: z.string().optional(),
  /** What gitstatus of its archives says, once they were made. */
  gitStatus: z.string().optional(),
  /** The stage that failed last, if none ended well since; its machine kept what it left. */
  failedStage: z.string().optional(),
});

export type StageRecord = z.infer<typeof stageRecord>;
export type Release = z.infer<typeof releaseRecord>;

/** The cloud image in which the root of a release's builder VM was made, if one was asked for: its stages go on upon the same root. */
export const cloudBaseOf = ({ base }: Release): CloudImageSource | undefined =>
  base && parseCloudBase(base.image, base.digest);

/** All releases of this host, oldest first. */
export async function listReleases(home: LivelabHome): Promise<Release[]> {
  const names = (await readdir(home.builds)).filter((name) => /^\d{8}T\d{6}Z$/.test(name)).sort();
  const found: Release[] = [];
  for (const name of names) {
    const release = await readRelease(home, name);
    if (release !== undefined) found.push(release);
  }
  return found;
}

async function readRelease(home: LivelabHome, stamp: string): Promise<Release | undefined> {
  const file = join(releaseFolder(home, stamp), "release.json");
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return releaseRecord.parse(JSON.parse(text)) as Release;
  } catch (cause) {
    throw new BuilderError("BAD_RECORD", `${file} is not a release record`, {
      hint: `remove ${releaseFolder(home, stamp)}; its layers are used again by the next build`,
      cause,
    });
  }
}

/** A release by its stamp. @throws UsageError BAD_STAMP, UNKNOWN_RELEASE: never a silent new build */
export async function findRelease(home: LivelabHome, text: string): Promise<Release> {
  const stamp = parseStamp(text);
  const release = await readRelease(home, stamp);
  if (release !== undefined) return release;
  const known = (await listReleases(home)).map((other) => other.stamp).reverse();
  throw new UsageError("UNKNOWN_RELEASE", `there is no release ${stamp} in ${home.builds}`, {
    hint:
      known.length === 0
        ? "there are none on this host yet: `livelab build` makes one"
        : `releases here, newest first: ${known.slice(0, 5).join(", ")}`,
  });
}

/** Writes the record whole or not at all. */
export async function saveRelease(home: LivelabHome, release: Release): Promise<void> {
  const folder = releaseFolder(home, release.stamp);
  await mkdir(join(folder, "logs"), { recursive: true });
  await replaceFile(join(folder, "release.json"), `${JSON.stringify(release, null, 2)}\n`);
}
