/**
 * Profiles: what a build makes, and from which Debian suites and packages.
 * The lock (builder/lock/<profile>) is computed from this by `livelab lock update`; a change here takes effect there.
 * Not here: how the stages use it (builder/stages), mirrors of this host (inputs/mirrors.ts).
 */
import { UsageError } from "../vm/livelab-error.js";

/** A distribution of a Debian archive, as a sources.list(5) line names it. */
export interface Suite {
  /** Name of the archive, the last part of its address: "debian" or "debian-security". */
  readonly archive: string;
  readonly distribution: string;
  readonly components: readonly string[];
  /** Folder of the archive that all its file names begin with: tells which archive a locked file is from. */
  readonly pool: string;
  /** Where the suite is kept when mirrors have it no more: base addresses, ending in a slash. */
  readonly lastResorts: readonly string[];
}

/** Packages that are used together; one lock file and one flat repository of the gateway. */
export interface SetSpec {
  readonly name: string;
  /** The set whose packages are there already when this one is installed. */
  readonly on?: string;
  /** What apt is asked for: package names and apt-patterns(7). */
  readonly packages: readonly string[];
}

/** A package that the build makes itself, so that no lock file names it. */
export interface MadePackage {
  readonly name: string;
  /** Virtual packages that it stands for. */
  readonly provides: readonly string[];
}

export interface Profile {
  /** Also the name of the lock's folder. */
  readonly name: string;
  /** Debian's code name. */
  readonly release: string;
  readonly architecture: "amd64";
  /**
   * Latest time that any file of the image carries, in seconds since 1970: the date of the point release.
   * A layer may be older than the stamp of a release that reuses it, so the stamp cannot be this time.
   */
  readonly epoch: number;
  readonly suites: readonly Suite[];
  readonly sets: readonly SetSpec[];
  readonly made: readonly MadePackage[];
}

/** What every Debian root begins with; usr-is-merged, because usrmerge would bring perl's find modules along. */
const essential = ["?essential", "usr-is-merged", "apt"];

const bookworm: Profile = {
  name: "bookworm",
  release: "bookworm",
  architecture: "amd64",
  epoch: Date.UTC(2026, 6, 11, 10, 16, 37) / 1000, // Date field of its InRelease
  // Neither -updates nor -security: these two components are frozen since point release 12.15 (DESIGN D4).
  suites: [
    {
      archive: "debian",
      distribution: "bookworm",
      components: ["main", "contrib"],
      pool: "pool/",
      lastResorts: [
        "https://snapshot.debian.org/archive/debian/20260801T000000Z/",
        "http://archive.debian.org/debian/", // once bookworm has left the mirrors
      ],
    },
  ],
  sets: [
    {
      // The builder machine's root.
      name: "base",
      packages: [
        ...essential,
        ...[
          "openssh-server",
          "iproute2",
          "mmdebstrap",
          "squashfs-tools",
          "cpio",
          "zstd",
          "xz-utils",
          "pigz",
          "kmod",
          "mount",
        ],
        ...["curl", "ca-certificates", "debian-archive-keyring", "gpgv"],
      ],
    },
    {
      // What compiles the ZFS modules, on top of the builder machine's root.
      name: "zfs-build",
      on: "base",
      packages: ["zfs-dkms", "linux-headers-amd64", "gcc", "make", "libc6-dev"],
    },
    {
      // What makes a builder VM of it: a kernel, ZFS, and what its initramfs consists of.
      name: "vm",
      on: "base",
      packages: ["linux-image-amd64", "zfsutils-linux", "busybox"],
    },
    {
      // The platform image's root.
      name: "image",
      packages: [
        ...essential,
        ...[
          "linux-image-amd64",
          "live-boot",
          "live-boot-initramfs-tools",
          "initramfs-tools",
          "busybox",
          "kmod",
          "udev",
        ],
        ...["systemd", "systemd-sysv", "systemd-resolved", "systemd-timesyncd", "dbus", "libpam-systemd"],
        ...["zfsutils-linux", "zfs-zed", "openssh-server", "locales", "bash", "vim", "less", "jq", "gawk"],
        ...["curl", "wget", "rsync", "cpio", "xz-utils", "zstd", "ca-certificates", "uuid", "uuid-runtime"],
        ...["bind9-dnsutils", "ntpsec-ntpdate", "iproute2", "iputils-ping", "ethtool", "netbase", "tcpdump"],
        ...["dmidecode", "pciutils", "usbutils", "gdisk", "parted", "smartmontools", "lsscsi", "nvme-cli"],
        ...["procps", "psmisc", "lsof"],
      ],
    },
  ],
  // zfs-zed depends on zfs-modules | zfs-dkms; the modules are ours, and no compiler belongs in the image.
  made: [{ name: "triton-zfs-modules", provides: ["zfs-modules"] }],
};

/**
 * The same profile with its release's security updates: an explicit second lock, because that suite moves.
 * Its lock is not part of the project until `livelab lock update --with-security` made it.
 */
export function withSecurity(profile: Profile): Profile {
  return {
    ...profile,
    name: `${profile.name}-security`,
    suites: [
      ...profile.suites,
      {
        archive: "debian-security",
        distribution: `${profile.release}-security`,
        components: ["main", "contrib"],
        pool: "pool/updates/",
        lastResorts: ["https://security.debian.org/debian-security/"],
      },
    ],
  };
}

const profiles: readonly Profile[] = [bookworm, withSecurity(bookworm)];

/** Names for `--profile`; the first is the default. */
export const profileNames: readonly string[] = profiles.map((profile) => profile.name);

/** Finds a profile by name. @throws UsageError UNKNOWN_PROFILE */
export function loadProfile(name: string): Profile {
  const profile = profiles.find((candidate) => candidate.name === name);
  if (profile !== undefined) return profile;
  throw new UsageError("UNKNOWN_PROFILE", `there is no profile "${name}"`, {
    hint: `profiles: ${profileNames.join(", ")}`,
  });
}

/** The suite whose archive holds a file, told by the longest `pool` that the file name begins with. */
export function suiteOf(profile: Profile, filename: string): Suite | undefined {
  return profile.suites
    .filter((suite) => filename.startsWith(suite.pool))
    .sort((a, b) => b.pool.length - a.pool.length)[0];
}
