/**
 * Records of the releases on this host: builds/<stamp>/release.json lists the stages of a release, and how each ran.
 * The files that stages wrote are kept by machines/; build.ts runs the stages.
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
  /** Whether the result of the stage existed before this build reached it. */
  reused: z.boolean(),
  /** How long the stage took when it ran, in milliseconds. */
  durationMs: z.number(),
});

const releaseRecord = z.object({
  version: z.literal(1),
  stamp: z.string(),
  profile: z.string(),
  /** Kind of the machine that ran its stages and keeps their results. */
  machine: z.enum(machineKinds).default("sandbox"),
  /** Cloud image in which the builder VM's root was made, if --base (and --base-digest) named one. */
  base: cloudBaseWords.optional(),
  /** "boot" if it was built for boot only: a build of all outputs completes it. */
  purpose: z.literal("boot").optional(),
  /** In the order in which they ran; each layer is on top of the previous one. */
  stages: z.array(stageRecord),
  /** Compression of its squashfs, if the command line named another than the profile. */
  compression: z.string().optional(),
  /** gitstatus of its archives, once they are made. */
  gitStatus: z.string().optional(),
  /** The stage that failed last, if no stage succeeded since. Its machine keeps the files that it wrote. */
  failedStage: z.string().optional(),
});

export type StageRecord = z.infer<typeof stageRecord>;
export type Release = z.infer<typeof releaseRecord>;

/** The cloud image that made the root of a release's builder VM, if --base named one: further stages run on the same root. */
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
      hint: `remove it: rm -r ${releaseFolder(home, stamp)}; the next build reuses its layers`,
      cause,
    });
  }
}

/** Returns the release with a stamp. @throws UsageError BAD_STAMP, UNKNOWN_RELEASE */
export async function findRelease(home: LivelabHome, text: string): Promise<Release> {
  const stamp = parseStamp(text);
  const release = await readRelease(home, stamp);
  if (release !== undefined) return release;
  const known = (await listReleases(home)).map((other) => other.stamp).reverse();
  throw new UsageError("UNKNOWN_RELEASE", `there is no release ${stamp} in ${home.builds}`, {
    hint:
      known.length === 0
        ? "this host has no releases yet; to make one: livelab build"
        : `releases here, newest first: ${known.slice(0, 5).join(", ")}`,
  });
}

/** Writes the record completely or not at all. */
export async function saveRelease(home: LivelabHome, release: Release): Promise<void> {
  const folder = releaseFolder(home, release.stamp);
  await mkdir(join(folder, "logs"), { recursive: true });
  await replaceFile(join(folder, "release.json"), `${JSON.stringify(release, null, 2)}\n`);
}
