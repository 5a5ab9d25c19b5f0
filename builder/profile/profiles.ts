/**
 * Profiles: the Debian suites and packages from which a build makes an image.
 * `livelab lock update` computes the lock (builder/lock/<profile>) from this file; a change takes effect after that command.
 * builder/store/mirrors.ts chooses the mirrors of this host.
 */
import { UsageError } from "../../base/livelab-error.js";

/** A distribution of a Debian archive, as a sources.list(5) line names it. */
export interface Suite {
  /** Name of the archive, the last part of its address: "debian" or "debian-security". */
  readonly archive: string;
  readonly distribution: string;
  readonly components: readonly string[];
  /** Folder with which all its file names begin; it identifies the archive of a locked file. */
  readonly pool: string;
  /** Base addresses, ending in a slash, that have the suite after mirrors have removed it. */
  readonly lastResorts: readonly string[];
  /**
   * Whether the suite is archived. It never changes again, so the date Valid-Until of its Release file is in the past. That
   * date detects mirrors that serve an old state. An archived suite has no newer state, so the date is not checked.
   * @default false
   */
  readonly archived?: true;
  /** The only source packages whose binaries may be used. @default all packages */
  readonly onlySources?: readonly string[];
}

/** Packages that are used together. A set has one lock file, and is one flat repository of the gateway. */
export interface SetSpec {
  readonly name: string;
  /** The set that is installed before this one. @default none */
  readonly on?: string;
  /** Arguments of apt: package names and apt-patterns(7). */
  readonly packages: readonly string[];
}

/** A package that the build makes itself, so the lock does not name it. */
export interface MadePackage {
  readonly name: string;
  /** Virtual packages that it provides. */
  readonly provides: readonly string[];
}

/** Capabilities of the tools of one Debian release: the only differences between the stages of profiles. */
export interface BuilderTools {
  /**
   * The tool that makes the image's root: `mmdebstrap`, or only `dpkg` if mmdebstrap is older than 0.7.0, which knows
   * neither --skip nor the hook for a merged /usr.
   */
  readonly bootstrap: "mmdebstrap" | "dpkg";
  /** Options of mksquashfs(1) for compression. */
  readonly squashfsOptions: readonly string[];
  /** Whether mksquashfs always makes the same bytes from the same files: squashfs-tools 4.4 and later. */
  readonly squashfsReproducible: boolean;
  /** Compressor of mkinitramfs(8): zstd needs initramfs-tools 0.137 and Linux 5.9. */
  readonly initrdCompressor: "zstd" | "gzip";
}

/** What a lock is made from: packages, and the suites that have them. */
export interface LockSpec {
  /** Also the name of the lock's folder. */
  readonly name: string;
  readonly architecture: "amd64";
  readonly suites: readonly Suite[];
  /** Files with the keys that signed its suites, in the resolving machine (debian-archive-keyring of Debian 12). */
  readonly keyrings: readonly string[];
  readonly sets: readonly SetSpec[];
  readonly made: readonly MadePackage[];
}

export interface Profile extends LockSpec {
  /** Debian's code name. */
  readonly release: string;
  /**
   * Latest time of any file in the image, in seconds since 1970: the date of the point release.
   * It cannot be the stamp, because a layer may be older than the stamp of a release that reuses it.
   */
  readonly epoch: number;
  readonly tools: BuilderTools;
}

/**
 * zstd level of the squashfs, which each change of proto rebuilds. Measured with 2 processors, native and emulated:
 * level 1 278 MiB, 2 s, 24 s; level 3 265 MiB, 4 s, 15 s to 30 s; level 6 253 MiB, 9 s, 95 s; level 9 247 MiB, 18 s, 113 s.
 * From level 5 on zstd uses vector instructions, which are the slowest to emulate.
 */
const ZSTD_LEVEL = 3;

/** The first packages of every Debian root. */
const essential = ["?essential", "apt"];

/** The packages of every builder machine. A profile adds the tools that make roots. */
const builderPackages = [
  ...["openssh-server", "iproute2", "squashfs-tools", "cpio", "zstd", "xz-utils", "pigz", "kmod", "mount"],
  ...["xorriso", "mtools", "fdisk"], // ISO 9660, FAT and partition tables in plain files
  ...["curl", "ca-certificates", "debian-archive-keyring", "gpgv"],
];

/** The packages of every platform image whose names are the same in all releases. */
const imagePackages = [
  ...["linux-image-amd64", "live-boot", "live-boot-initramfs-tools", "initramfs-tools", "busybox", "kmod", "udev"],
  ...["systemd", "systemd-sysv", "dbus", "libpam-systemd"],
  ...["zfsutils-linux", "zfs-zed", "openssh-server", "locales", "bash", "vim", "less", "jq", "gawk"],
  ...["curl", "wget", "rsync", "cpio", "xz-utils", "zstd", "ca-certificates", "uuid", "uuid-runtime"],
  ...["iproute2", "iputils-ping", "ethtool", "netbase", "tcpdump"],
  ...["dmidecode", "pciutils", "usbutils", "gdisk", "parted", "smartmontools", "lsscsi", "nvme-cli"],
  ...["procps", "psmisc", "lsof"],
];

/** The packages that compile the ZFS modules, in addition to those of the builder machine. */
const zfsBuild: SetSpec = {
  name: "zfs-build",
  on: "base",
  packages: ["zfs-dkms", "linux-headers-amd64", "gcc", "make", "libc6-dev"],
};

/** The packages that make GRUB's images for the boot media; the stages write the configuration. */
const grub: SetSpec = { name: "grub", on: "base", packages: ["grub-common", "grub-pc-bin", "grub-efi-amd64-bin"] };

/** The packages that turn the builder machine's root into a builder VM: a kernel, ZFS, and the content of its initramfs. */
const vm: SetSpec = { name: "vm", on: "base", packages: ["linux-image-amd64", "zfsutils-linux", "busybox"] };

// zfs-zed depends on zfs-modules | zfs-dkms. livelab makes the modules, so the image needs no compiler.
const zfsModules: MadePackage = { name: "triton-zfs-modules", provides: ["zfs-modules"] };

/** The security suite of a release. Its name was `<release>/updates` until Debian 10. */
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
  // Without -updates and -security: these two components are frozen since point release 12.15 (DESIGN D4).
  suites: [
    {
      archive: "debian",
      distribution: "bookworm",
      components: ["main", "contrib"],
      pool: "pool/",
      lastResorts: [
        "https://snapshot.debian.org/archive/debian/20260801T000000Z/",
        "http://archive.debian.org/debian/", // after bookworm has left the mirrors
      ],
    },
  ],
  keyrings: ["/usr/share/keyrings/debian-archive-keyring.gpg"],
  sets: [
    // usr-is-merged, because usrmerge depends on perl's find modules.
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
};

/** Base addresses of an archive: its snapshot of a day, and the final archive. */
const archivedAt = (archive: string, day: string): readonly string[] => [
  `https://snapshot.debian.org/archive/${archive}/${day}T000000Z/`,
  `http://archive.debian.org/${archive}/`,
];

/**
 * Debian 10, the base of the first platform images, with the kernel and ZFS of buster-backports.
 * Its support ended in June 2024 and all of it is archived. It no longer changes, so its lock includes security updates.
 */
const buster: Profile = {
  name: "buster",
  release: "buster",
  architecture: "amd64",
  epoch: Date.UTC(2024, 5, 30) / 1000, // end of its support: no file of a package is newer
  // Without buster-updates: the last point release, 10.13, includes all of it.
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
      lastResorts: archivedAt("debian", "20240401"), // the mirrors removed it in the middle of that month
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
    // In Debian 10 resolved and timesyncd are still part of the package systemd.
    { name: "image", packages: [...essential, ...imagePackages, "dnsutils", "ntpdate"] },
  ],
  made: [zfsModules],
  tools: {
    bootstrap: "dpkg", // mmdebstrap 0.4.1
    squashfsOptions: ["-comp", "gzip"], // squashfs-tools 4.3: zstd came with 4.4
    squashfsReproducible: false,
    initrdCompressor: "gzip", // initramfs-tools 0.133
  },
};

/** The sets of toolsSpec: what every host needs, and what only the tests of livelab itself need in addition. */
export const TOOLS_SET = "tools";
export const TEST_TOOLS_SET = "test-tools";

/**
 * The programs that livelab starts on the host (builder/tools/tools.ts). All profiles share them. Their Debian is later than
 * that of any image: QEMU 10 boots a third faster than QEMU 7.2 when it emulates (33 s and 52 s to the login, measured), and
 * the iPXE of Debian 12 starts a kernel on UEFI without its initrd (measured).
 */
export const toolsSpec: LockSpec = {
  name: "tools",
  architecture: "amd64",
  suites: [
    {
      archive: "debian",
      distribution: "trixie",
      components: ["main"],
      pool: "pool/",
      lastResorts: ["https://snapshot.debian.org/archive/debian/20261127T000000Z/"],
    },
  ],
  keyrings: ["/usr/share/keyrings/debian-archive-keyring.gpg"],
  sets: [
    {
      name: TOOLS_SET,
      packages: [
        ...["qemu-system-x86", "ipxe-qemu", "seabios", "ovmf"],
        "ipxe", // the loaders that the harness serves
        ...["util-linux", "mount", "coreutils", "dash", "sed", "tar", "xz-utils"], // the sandbox
      ],
    },
    {
      name: TEST_TOOLS_SET,
      on: TOOLS_SET,
      packages: ["git", "shellcheck", "bash", "findutils", "grep", "gzip", "mawk", "bsdutils"],
    },
  ],
  made: [],
};

/**
 * Returns the profile with the security updates of its release. It has a separate lock, because that suite changes; the
 * lock is not part of the project until `livelab lock update --with-security` makes it.
 * A profile that already has security updates is returned unchanged.
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

/** The distributions that any lock is made from: they identify the archives in the host's configuration of apt. */
export const allSuites: readonly Suite[] = [...profiles, toolsSpec].flatMap(({ suites }) => suites);

/** The suite whose archive has a file: the one with the longest `pool` with which the file name begins. */
export function suiteOf({ suites }: LockSpec, filename: string): Suite | undefined {
  return suites.filter((suite) => filename.startsWith(suite.pool)).sort((a, b) => b.pool.length - a.pool.length)[0];
}
