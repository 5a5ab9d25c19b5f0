/**
 * Profiles: what a build makes, and from which Debian suites and packages.
 * The lock (builder/lock/<profile>) is computed from this by `livelab lock update`; a change here takes effect there.
 * Not here: how the stages use it (builder/stages), mirrors of this host (inputs/mirrors.ts).
 */
import { UsageError } from "../../base/livelab-error.js";

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
  /**
   * Whether it is archived: it never changes again, so the Valid-Until of its Release file has passed for good. That date
   * guards against mirrors which hold a newer state back; here there is none, so it is not checked. @default false
   */
  readonly archived?: true;
  /** Source packages that are taken from it; all else that it has counts as not there. @default everything */
  readonly onlySources?: readonly string[];
}

/**
 * Where the locked iPXE is from: a later Debian than any image's, because that of Debian 12 starts a kernel on UEFI without
 * its initrd (measured). Lock files name paths below an archive, so that mirrors of the same archive have it, too.
 */
export const ipxeSuite: Suite = {
  archive: "debian",
  distribution: "trixie",
  components: ["main"],
  pool: "pool/main/i/ipxe/", // no more of it than this source package
  lastResorts: ["https://snapshot.debian.org/archive/debian/20260801T000000Z/"],
};

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

/** What the tools of one Debian release can and cannot do: all that makes stages differ between profiles. */
export interface BuilderTools {
  /**
   * What makes the image's root: `mmdebstrap`, or `dpkg` by itself where mmdebstrap is older than 0.7.0, which knows
   * neither --skip nor the hook for a merged /usr.
   */
  readonly bootstrap: "mmdebstrap" | "dpkg";
  /** What mksquashfs(1) is told of compression. */
  readonly squashfsOptions: readonly string[];
  /** Whether mksquashfs makes the same bytes of the same files by itself: squashfs-tools 4.4 and later. */
  readonly squashfsReproducible: boolean;
  /** What mkinitramfs(8) is told to compress with: zstd from initramfs-tools 0.137 and Linux 5.9 on. */
  readonly initrdCompressor: "zstd" | "gzip";
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
  /** Files with the keys that signed its suites, in the machine that resolves (debian-archive-keyring of Debian 12). */
  readonly keyrings: readonly string[];
  readonly sets: readonly SetSpec[];
  readonly made: readonly MadePackage[];
  readonly tools: BuilderTools;
  /** The cloud image in which a host that refuses the sandbox makes the builder VM's root (builder/store/cloud-images.ts). */
  readonly cloudImage: string;
}

/**
 * zstd level of the squashfs, which each proto change has made anew. Measured with 2 processors, native and emulated:
 * level 1 278 MiB, 2 s, 24 s; level 3 265 MiB, 4 s, 15 s to 30 s; level 6 253 MiB, 9 s, 95 s; level 9 247 MiB, 18 s, 113 s.
 * From level 5 on zstd searches by vector instructions, which emulation is slowest at.
 */
const ZSTD_LEVEL = 3;

/** What every Debian root begins with. */
const essential = ["?essential", "apt"];

/** What every builder machine has; what makes roots and squashfs comes with the profile. */
const builderPackages = [
  ...["openssh-server", "iproute2", "squashfs-tools", "cpio", "zstd", "xz-utils", "pigz", "kmod", "mount"],
  ...["xorriso", "mtools", "fdisk"], // ISO 9660, FAT and partition tables in plain files
  ...["curl", "ca-certificates", "debian-archive-keyring", "gpgv"],
];

/** What every platform image has, by the names that no release changed. */
const imagePackages = [
  ...["linux-image-amd64", "live-boot", "live-boot-initramfs-tools", "initramfs-tools", "busybox", "kmod", "udev"],
  ...["systemd", "systemd-sysv", "dbus", "libpam-systemd"],
  ...["zfsutils-linux", "zfs-zed", "openssh-server", "locales", "bash", "vim", "less", "jq", "gawk"],
  ...["curl", "wget", "rsync", "cpio", "xz-utils", "zstd", "ca-certificates", "uuid", "uuid-runtime"],
  ...["iproute2", "iputils-ping", "ethtool", "netbase", "tcpdump"],
  ...["dmidecode", "pciutils", "usbutils", "gdisk", "parted", "smartmontools", "lsscsi", "nvme-cli"],
  ...["procps", "psmisc", "lsof"],
];

/** What compiles the ZFS modules, on top of the builder machine's root. */
const zfsBuild: SetSpec = {
  name: "zfs-build",
  on: "base",
  packages: ["zfs-dkms", "linux-headers-amd64", "gcc", "make", "libc6-dev"],
};

/** What makes GRUB's images for the boot media; their configuration is the stages' own. */
const grub: SetSpec = { name: "grub", on: "base", packages: ["grub-common", "grub-pc-bin", "grub-efi-amd64-bin"] };

/** What makes a builder VM of the builder machine's root: a kernel, ZFS, and what its initramfs consists of. */
const vm: SetSpec = { name: "vm", on: "base", packages: ["linux-image-amd64", "zfsutils-linux", "busybox"] };

// zfs-zed depends on zfs-modules | zfs-dkms; the modules are ours, and no compiler belongs in the image.
const zfsModules: MadePackage = { name: "triton-zfs-modules", provides: ["zfs-modules"] };

/** The security suite of a release, which was called `<release>/updates` until Debian 10. */
const securitySuite = (release: string, more: Pick<Suite, "lastResorts" | "archived">): Suite => ({
  archive: "debian-security",
  distribution: release === "buster" ? "buster/updates" : `${release}-security`,
  components: ["main", "contrib"],
  pool: "pool/updates/",
  ...more,
});

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
  keyrings: ["/usr/share/keyrings/debian-archive-keyring.gpg"],
  sets: [
    // usr-is-merged, because usrmerge would bring perl's find modules along.
    { name: "base", packages: [...essential, "usr-is-merged", ...builderPackages, "mmdebstrap"] },
    zfsBuild,
    grub,
    vm,
    {
      name: "image",
      packages: [
        ...[...essential, "usr-is-merged", ...imagePackages],
        ...["systemd-resolved", "systemd-timesyncd", "bind9-dnsutils", "ntpsec-ntpdate"],
      ],
    },
  ],
  made: [zfsModules],
  tools: {
    bootstrap: "mmdebstrap",
    squashfsOptions: ["-comp", "zstd", "-Xcompression-level", String(ZSTD_LEVEL)],
    squashfsReproducible: true,
    initrdCompressor: "zstd",
  },
  cloudImage: "debian-12-cloud",
};

/** Base addresses of an archive as it was on a day, and where its suites went in the end. */
const archivedAt = (archive: string, day: string): readonly string[] => [
  `https://snapshot.debian.org/archive/${archive}/${day}T000000Z/`,
  `http://archive.debian.org/${archive}/`,
];

/**
 * Debian 10, which the first platform images were made of: its kernel and ZFS are those of buster-backports.
 * Its support ended in June 2024 and all of it is archived: nothing moves any more, so security updates are part of its lock.
 */
const buster: Profile = {
  name: "buster",
  release: "buster",
  architecture: "amd64",
  epoch: Date.UTC(2024, 5, 30) / 1000, // end of its support: no file of a package is younger
  // Not buster-updates: all that it had went into the last point release, 10.13.
  suites: [
    {
      archive: "debian",
      distribution: "buster",
      components: ["main", "contrib"],
      pool: "pool/",
      lastResorts: archivedAt("debian", "20240401"),
      archived: true,
    },
    {
      archive: "debian",
      distribution: "buster-backports",
      components: ["main", "contrib"],
      pool: "pool/",
      lastResorts: archivedAt("debian", "20240401"), // it left the mirrors in the middle of that month
      archived: true,
      onlySources: ["linux", "linux-signed-amd64", "zfs-linux"], // Linux 5.10 and ZFS 2.0
    },
    securitySuite("buster", { lastResorts: archivedAt("debian-security", "20240801"), archived: true }),
  ],
  // Debian 12's own keyring has buster's keys among the removed ones. They expire in April 2027.
  keyrings: ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-removed-keys.gpg"],
  sets: [
    { name: "base", packages: [...essential, ...builderPackages] },
    zfsBuild,
    grub,
    vm,
    // resolved and timesyncd are part of the package systemd yet.
    { name: "image", packages: [...essential, ...imagePackages, "dnsutils", "ntpdate"] },
  ],
  made: [zfsModules],
  tools: {
    bootstrap: "dpkg", // mmdebstrap 0.4.1
    squashfsOptions: ["-comp", "gzip"], // squashfs-tools 4.3: zstd came with 4.4
    squashfsReproducible: false,
    initrdCompressor: "gzip", // initramfs-tools 0.133
  },
  cloudImage: "debian-10-cloud",
};

/**
 * The same profile with its release's security updates: an explicit second lock, because that suite moves.
 * Its lock is not part of the project until `livelab lock update --with-security` made it.
 * A profile that has them already stays as it is.
 */
export function withSecurity(profile: Profile): Profile {
  if (profile.suites.some(({ archive }) => archive === "debian-security")) return profile;
  const security = securitySuite(profile.release, { lastResorts: ["https://security.debian.org/debian-security/"] });
  return { ...profile, name: `${profile.name}-security`, suites: [...profile.suites, security] };
}

const profiles: readonly Profile[] = [bookworm, withSecurity(bookworm), buster];

/** Names for `--profile`. */
export const profileNames: readonly string[] = profiles.map((profile) => profile.name);
/** The profile of commands that name none. */
export const defaultProfileName = bookworm.name;

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
