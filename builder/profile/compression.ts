/**
 * How the squashfs is compressed: a profile has a default, and a build may choose another (`livelab build --compression`).
 * What each costs is measured by `npm run bench:compression`; the figures are in README.md.
 */
import { UsageError } from "../../base/livelab-error.js";
import type { Profile } from "./profiles.js";

/** Levels that mksquashfs takes, by compressor; xz has none. */
const levels = { gzip: [1, 9], xz: undefined, zstd: [1, 22] } as const;
type Compressor = keyof typeof levels;

const isCompressor = (name: string): name is Compressor => Object.hasOwn(levels, name);

/**
 * What mksquashfs(1) is told for "gzip", "xz" or "zstd", with ":LEVEL" or without.
 * @throws UsageError BAD_COMPRESSION
 */
export function squashfsOptions(text: string): readonly string[] {
  const [name = "", level, ...more] = text.split(":");
  const bad = (why: string): UsageError =>
    new UsageError("BAD_COMPRESSION", `--compression ${text}: ${why}`, {
      hint: `one of ${Object.keys(levels).join(", ")}; gzip and zstd with a level, e.g. zstd:9`,
    });
  if (!isCompressor(name) || more.length > 0) throw bad("there is no such compression");
  if (level === undefined) return ["-comp", name];
  const range = levels[name];
  if (range === undefined) throw bad(`${name} has no levels`);
  const [lowest, highest] = range;
  if (!/^\d{1,2}$/.test(level) || Number(level) < lowest || Number(level) > highest) {
    throw bad(`the level is none of ${lowest} to ${highest}`);
  }
  return ["-comp", name, "-Xcompression-level", String(Number(level))];
}

/** A profile with another compression than its own. @throws UsageError BAD_COMPRESSION */
export function withCompression(profile: Profile, text: string | undefined): Profile {
  if (text === undefined) return profile;
  const options = squashfsOptions(text);
  // squashfs-tools 4.3 is also too old for reproducible output.
  if (options.includes("zstd") && !profile.tools.squashfsReproducible) {
    throw new UsageError(
      "BAD_COMPRESSION",
      `--compression ${text}: mksquashfs of profile ${profile.name} does not know zstd`,
      {
        hint: "gzip or xz",
      },
    );
  }
  return { ...profile, tools: { ...profile.tools, squashfsOptions: options } };
}
