/**
 * Compression of the squashfs: a profile has a default, and `livelab build --compression` chooses another.
 * `npm run bench:compression` measures the cost of each; the figures are in docs/build.md.
 */
import { UsageError } from "../../base/livelab-error.js";
import type { Profile } from "./profiles.js";

/** Range of levels that mksquashfs accepts for each compressor; xz has no levels. */
const levels = { gzip: [1, 9], xz: undefined, zstd: [1, 22] } as const;
type Compressor = keyof typeof levels;

const isCompressor = (name: string): name is Compressor => Object.hasOwn(levels, name);

/**
 * Options of mksquashfs(1) for "gzip", "xz" or "zstd", with or without ":LEVEL".
 * @throws UsageError BAD_COMPRESSION
 */
export function squashfsOptions(text: string): readonly string[] {
  const [name = "", level, ...more] = text.split(":");
  const bad = (why: string): UsageError =>
    new UsageError("BAD_COMPRESSION", `--compression ${text}: ${why}`, {
      hint: `use one of ${Object.keys(levels).join(", ")}; gzip and zstd may have a level, e.g. zstd:9`,
    });
  if (!isCompressor(name) || more.length > 0) throw bad("unknown compression");
  if (level === undefined) return ["-comp", name];
  const range = levels[name];
  if (range === undefined) throw bad(`${name} has no levels`);
  const [lowest, highest] = range;
  if (!/^\d{1,2}$/.test(level) || Number(level) < lowest || Number(level) > highest) {
    throw bad(`the level is not a number from ${lowest} to ${highest}`);
  }
  return ["-comp", name, "-Xcompression-level", String(Number(level))];
}

/** Returns the profile with another compression, or unchanged if `text` is undefined. @throws UsageError BAD_COMPRESSION */
export function withCompression(profile: Profile, text: string | undefined): Profile {
  if (text === undefined) return profile;
  const options = squashfsOptions(text);
  // squashfs-tools 4.3 knows neither zstd nor reproducible output, so one flag stands for both.
  if (options.includes("zstd") && !profile.tools.squashfsReproducible) {
    throw new UsageError(
      "BAD_COMPRESSION",
      `--compression ${text}: mksquashfs of profile ${profile.name} does not support zstd`,
      {
        hint: "use gzip or xz",
      },
    );
  }
  return { ...profile, tools: { ...profile.tools, squashfsOptions: options } };
}
