/**
 * The stages of a build, in order (DESIGN section 5): the purpose and the inputs of each.
 * The shell file of a stage is builder/stages/<name>.sh; each of them sources lib.sh.
 */
import { UsageError } from "../../base/livelab-error.js";
import { formatDigest } from "../profile/digest.js";
import type { Lock } from "../profile/lock.js";

/** A file that a stage makes unless the gateway serves it. */
interface ArtifactFile {
  /** Name of the file, also at the gateway below "artifact/". */
  readonly name: string;
  /** Path of the file that the stage makes, below the release's folder. It may be a link to the file. */
  readonly path: string;
  /** Name of the shell file that makes it, without `.sh`. */
  readonly script: string;
}

/** An artifact that is made from packages alone. */
export interface PackageArtifact extends ArtifactFile {
  readonly kind: "packages";
  /** Lock set of the packages that make it. */
  readonly set: string;
  /** Beginning of the name of the packages in set "image" that it is made for. @default none */
  readonly madeFor?: string;
}

/** An artifact that is made from the image's root, as it is before the stage that has the artifact. */
export interface RootArtifact extends ArtifactFile {
  readonly kind: "root";
  /** The last stage whose whole result it depends on. Only install_proto comes between it and the artifact's stage. */
  readonly on: string;
  /** Folders of proto/ on whose files it depends. Of all others it may know the path, but not the content. */
  readonly proto: readonly string[];
  /** Names of shell files that shape it, in addition to lib.sh and its own. */
  readonly scripts: readonly string[];
  /** The environment variables that shape it. */
  readonly environment: (lock: Lock) => Readonly<Record<string, string>>;
}

export type ArtifactSpec = PackageArtifact | RootArtifact;

export interface Stage {
  readonly name: string;
  /** One line for `livelab stages`. */
  readonly summary: string;
  /** Lock sets whose packages it uses. */
  readonly sets: readonly string[];
  /** Whether it uses the npm tree. */
  readonly npm?: true;
  /** Whether it reads the proto tree, a tar stream on its standard input. */
  readonly proto?: true;
  /** Whether it writes the commit of livelab that made the release. */
  readonly source?: true;
  /** Whether it writes the stamp into its output: such a layer belongs to one release only. */
  readonly stamped?: true;
  /** Names of shell files in builder/stages that it uses in addition to lib.sh. */
  readonly scripts?: readonly string[];
  /** An expensive result that it takes from the store, or makes and stores. */
  readonly artifact?: ArtifactSpec;
  /** Its own environment variables, in addition to those of all stages (stage-run.ts). */
  readonly environment?: (lock: Lock) => Readonly<Record<string, string>>;
  /** Time limit in minutes at native speed. */
  readonly limitMinutes: number;
}

const isZfs = (name: string): boolean => name.startsWith("zfs");

/** The package names of a profile's set, without apt patterns. */
function wanted(lock: Lock, set: string): string[] {
  const spec = lock.profile.sets.find((candidate) => candidate.name === set);
  return (spec?.packages ?? []).filter((name) => !name.startsWith("?"));
}

/** The essential packages and apt, without their dependencies. */
function essential(lock: Lock): string[] {
  const flagged = lock.set("image").packages.filter(({ stanza }) => stanza.get("Essential") === "yes");
  return [...flagged.map(({ name }) => name), "apt"];
}

/** The kernel modules of ZFS; the builder VM also uses them. */
export const zfsModules: PackageArtifact = {
  kind: "packages",
  name: "zfs-modules.deb",
  path: "scratch/zfs-modules.deb",
  script: "build_zfs_modules",
  set: "zfs-build",
  madeFor: "linux-image-",
};

/** GRUB's images for the boot media, without the menu. */
const grubImages: PackageArtifact = {
  kind: "packages",
  name: "grub-images.tar",
  path: "scratch/grub-images.tar",
  script: "build_grub_images",
  set: "grub",
};

/**
 * Folders of proto/ whose files mkinitramfs reads, or would read. build_initramfs.sh fails if it reads a file of another one.
 */
const initramfsFolders: readonly string[] = [
  "etc/initramfs-tools",
  "etc/live",
  "etc/modprobe.d",
  "etc/udev",
  "usr/lib/live",
  "usr/lib/modprobe.d",
  "usr/lib/systemd/network",
  "usr/lib/udev",
  "usr/share/initramfs-tools",
  "usr/triton/lib/early-boot",
];

/** The initramfs. It contains no stamp, and few files of proto/, so most builds that a change of proto/ needs share it. */
export const initramfs: RootArtifact = {
  kind: "root",
  name: "initrd",
  path: "scratch/initrd",
  script: "build_initramfs",
  on: "install_usr_triton",
  proto: initramfsFolders,
  scripts: ["initramfs_functions", "install_proto"],
  environment: ({ profile }) => ({
    INITRAMFS_FOLDERS: initramfsFolders.join(" "),
    INITRD_COMPRESSOR: profile.tools.initrdCompressor,
  }),
};

/** Properties of both stages that make a boot medium. */
const medium = {
  sets: ["grub"],
  stamped: true,
  scripts: ["media"],
  artifact: grubImages,
  environment: (lock) => ({ GRUB_PACKAGES: wanted(lock, "grub").join(" ") }),
  limitMinutes: 10,
} satisfies Omit<Stage, "name" | "summary">;

/** The packages that build_zfs_modules.sh installs before it compiles. */
export const zfsBuildPackages = (lock: Lock): string =>
  wanted(lock, "zfs-build")
    .filter((name) => !isZfs(name))
    .join(" ");

export const stages: readonly Stage[] = [
  {
    name: "preflight_check",
    summary: "checks that the builder machine has every program that the stages call",
    sets: [],
    environment: ({ profile }) => ({ BOOTSTRAP: profile.tools.bootstrap }),
    limitMinutes: 1,
  },
  {
    name: "create_bootstrap",
    summary: "a minimal Debian root from the lock",
    sets: ["image"],
    environment: (lock) => ({
      SUITE: lock.profile.release,
      BOOTSTRAP: lock.profile.tools.bootstrap,
      ESSENTIAL: essential(lock).join(" "),
    }),
    limitMinutes: 10,
  },
  {
    name: "install_live",
    summary: "kernel, live-boot, systemd and the package list, the locale",
    sets: ["image"],
    environment: (lock) => ({
      PACKAGES: wanted(lock, "image")
        .filter((name) => !isZfs(name))
        .join(" "),
    }),
    limitMinutes: 20,
  },
  {
    name: "build_zfs",
    summary: "ZFS userland, and kernel modules compiled for the locked kernel or taken from the store",
    sets: ["image", "zfs-build"],
    artifact: zfsModules,
    environment: (lock) => ({
      ZFS_PACKAGES: wanted(lock, "image").filter(isZfs).join(" "),
      ZFS_BUILD_PACKAGES: zfsBuildPackages(lock),
    }),
    limitMinutes: 60,
  },
  {
    name: "reduce_zfs",
    summary: "removes what only the build needed, keeps modules and userland",
    sets: [],
    limitMinutes: 5,
  },
  {
    name: "install_usr_triton",
    summary: "Node, json and bunyan below /usr/triton, /usr/node linked to it",
    sets: [],
    npm: true,
    environment: (lock) => ({
      NPM: lock.npm.map((file) => `${file.path}=npm/${file.name}/${file.version}.tgz`).join(" "),
    }),
    limitMinutes: 5,
  },
  {
    name: "install_proto",
    summary: "the image's own files (proto/), its units enabled",
    sets: [],
    proto: true,
    limitMinutes: 5,
  },
  {
    name: "postinstall",
    summary: "names, no keys and no machine-id, initramfs",
    sets: [],
    stamped: true,
    scripts: ["initramfs_functions"],
    artifact: initramfs,
    environment: initramfs.environment,
    limitMinutes: 10,
  },
  {
    name: "prepare_archive_bits",
    summary: "squashfs, kernel, initrd, their hashes, what the squashfs holds",
    sets: [],
    scripts: ["hash", "kernel", "mtree", "sources"],
    environment: ({ profile }) => ({
      SQUASHFS_OPTIONS: profile.tools.squashfsOptions.join(" "),
      SQUASHFS_REPRODUCIBLE: profile.tools.squashfsReproducible ? "yes" : "no",
    }),
    limitMinutes: 20,
  },
  {
    name: "create_tgz",
    summary: "platform.tgz, platform-<stamp>.tgz, build.tgz",
    sets: ["base", "zfs-build", "image"],
    npm: true,
    source: true,
    stamped: true,
    scripts: ["hash", "mtree"],
    environment: (lock) => ({
      LOCK_SETS: "base zfs-build image",
      BUILD_SETS: "base zfs-build",
      NPM_LOCK: lock.npm.map(({ name, version, digest }) => `${name} ${version} ${formatDigest(digest)}`).join("\n"),
      ZFS_SOURCE: lock
        .set("zfs-build")
        .packages.filter(({ name }) => name === "zfs-dkms")
        .map(({ filename }) => `zfs-build/${filename}`)
        .join(),
    }),
    limitMinutes: 10,
  },
  { name: "create_iso", summary: "triton-<stamp>.iso, for CD, DVD and disks, BIOS and UEFI", ...medium },
  { name: "create_usb", summary: "triton-<stamp>.usb.gz, a disk for sticks, BIOS and UEFI", ...medium },
];

/** What the outputs of a build are for: to boot them (kernel, initrd, squashfs, their hashes and lists), or everything. */
export const purposes = ["boot", "all"] as const;
export type Purpose = (typeof purposes)[number];

/** The last stage of a build for "boot". */
const LAST_FOR_BOOT = "prepare_archive_bits";

/** The stages of a build for a purpose, in order. */
export const stagesFor = (purpose: Purpose): readonly Stage[] =>
  purpose === "all" ? stages : stages.slice(0, stages.findIndex(({ name }) => name === LAST_FOR_BOOT) + 1);

/** Stage names, in order. */
export const stageNames: readonly string[] = stages.map((stage) => stage.name);

/**
 * Parses the stages on a command line: names in build order, or `...` for all stages after the named one.
 * Without words it returns all stages.
 * @param purpose `...` ends with its last stage @default "all"
 * @throws UsageError UNKNOWN_STAGE, STAGE_ORDER
 */
export function parseStageWords(words: readonly string[], purpose: Purpose = "all"): readonly Stage[] {
  const all = stagesFor(purpose);
  if (words.length === 0) return all;
  const chosen: Stage[] = [];
  for (const word of words) {
    const last = chosen.at(-1);
    if (word === "...") {
      if (last === undefined) {
        throw new UsageError("STAGE_ORDER", "`...` needs the name of a stage before it", {
          hint: "for example: install_proto ...",
        });
      }
      chosen.push(...all.slice(all.indexOf(last) + 1));
      continue;
    }
    const stage = stages.find(({ name }) => name === word);
    if (stage === undefined) {
      throw new UsageError("UNKNOWN_STAGE", `there is no stage "${word}"`, {
        hint: `stages: ${stageNames.join(", ")}, or ...`,
      });
    }
    if (!all.includes(stage)) {
      throw new UsageError("STAGE_ORDER", `${stage.name} makes nothing that a build for boot needs`, {
        hint: "leave out --for boot to make archives and media",
      });
    }
    if (last !== undefined && stages.indexOf(stage) !== stages.indexOf(last) + 1) {
      const expected = stages[stages.indexOf(last) + 1]?.name;
      throw new UsageError(
        "STAGE_ORDER",
        `${stage.name} does not directly follow ${last.name}, and each stage builds on the one before it`,
        {
          hint:
            expected === undefined
              ? `${last.name} is the last stage`
              : `next is ${expected}; \`${last.name} ...\` runs all that follow`,
        },
      );
    }
    chosen.push(stage);
  }
  return chosen;
}
