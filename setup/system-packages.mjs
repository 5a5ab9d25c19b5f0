/**
 * What livelab needs from the host system: how to detect it, and which package contains it.
 * These functions change nothing; install-system-packages.mjs installs packages.
 * KVM is not in the table, because everything also works without it, but more slowly.
 */
import { accessSync, constants, existsSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * @typedef {"debian" | "fedora" | "arch" | "suse" | "alpine"} Family distributions that share package names
 *
 * @typedef {object} Need
 * @property {string} name its name in messages
 * @property {"run" | "tests" | "unprivileged"} when always, only for tests, or only if not root
 * @property {{ commands: readonly string[] } | { anyFile: readonly string[] }} probe
 * @property {Record<Family, string>} packages
 *
 * @typedef {object} Probe
 * @property {(name: string) => string | undefined} findCommand returns the path of a command
 * @property {(path: string) => boolean} fileExists
 */

/** The same package name for every family. */
const everywhere = (name) => ({ debian: name, fedora: name, arch: name, suse: name, alpine: name });

/** @type {readonly Need[]} */
export const NEEDS = [
  {
    name: "qemu-system-x86_64",
    when: "run",
    probe: { commands: ["qemu-system-x86_64"] },
    packages: {
      debian: "qemu-system-x86",
      fedora: "qemu-system-x86-core",
      arch: "qemu-system-x86",
      suse: "qemu-x86",
      alpine: "qemu-system-x86_64",
    },
  },
  {
    name: "iPXE boot ROMs for QEMU",
    when: "run",
    probe: { anyFile: ["/usr/lib/ipxe/qemu/pxe-virtio.rom", "/usr/share/qemu/pxe-virtio.rom"] },
    packages: {
      debian: "ipxe-qemu",
      fedora: "ipxe-roms-qemu",
      arch: "qemu-system-x86-firmware",
      suse: "qemu-ipxe",
      alpine: "qemu-system-x86_64",
    },
  },
  {
    name: "UEFI for QEMU (OVMF)",
    when: "tests",
    probe: {
      anyFile: [
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/qemu/ovmf-x86_64-4m-code.bin",
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/OVMF/OVMF_CODE.fd",
      ],
    },
    packages: {
      debian: "ovmf",
      fedora: "edk2-ovmf",
      arch: "edk2-ovmf",
      suse: "qemu-ovmf-x86_64",
      alpine: "ovmf",
    },
  },
  {
    name: "unshare of util-linux",
    when: "run",
    probe: { commands: ["unshare"] },
    packages: { ...everywhere("util-linux"), alpine: "util-linux-misc" },
  },
  {
    name: "setpriv of util-linux",
    when: "run",
    probe: { commands: ["setpriv"] },
    packages: { ...everywhere("util-linux"), alpine: "setpriv" },
  },
  { name: "GNU tar", when: "run", probe: { commands: ["tar"] }, packages: everywhere("tar") },
  {
    name: "xz",
    when: "run",
    probe: { commands: ["xz"] },
    packages: { ...everywhere("xz"), debian: "xz-utils" },
  },
  {
    name: "newuidmap and newgidmap",
    when: "unprivileged",
    probe: { commands: ["newuidmap", "newgidmap"] },
    packages: { debian: "uidmap", fedora: "shadow-utils", arch: "shadow", suse: "shadow", alpine: "shadow-uidmap" },
  },
  { name: "git", when: "tests", probe: { commands: ["git"] }, packages: everywhere("git") },
  {
    name: "shellcheck",
    when: "tests",
    probe: { commands: ["shellcheck"] },
    packages: { ...everywhere("shellcheck"), fedora: "ShellCheck", suse: "ShellCheck" },
  },
  { name: "jq", when: "tests", probe: { commands: ["jq"] }, packages: everywhere("jq") },
  { name: "busybox", when: "tests", probe: { commands: ["busybox"] }, packages: everywhere("busybox") },
];

/**
 * @param {Probe} probe
 * @param {{ isRoot: boolean, forTests: boolean }} use
 * @returns {Need[]} the needs that this host lacks
 */
export function missingNeeds(probe, { isRoot, forTests }) {
  const applies = { run: true, tests: forTests, unprivileged: !isRoot };
  const isThere = (need) =>
    "commands" in need.probe
      ? need.probe.commands.every((name) => probe.findCommand(name) !== undefined)
      : need.probe.anyFile.some((path) => probe.fileExists(path));
  return NEEDS.filter((need) => applies[need.when] && !isThere(need));
}

/**
 * Searches the folders of PATH, and the sbin folders, which a user's PATH may lack.
 * A link to busybox does not count: its applets lack options of the real programs.
 * @param {string} path the variable PATH
 * @returns {Probe}
 */
export function hostProbe(path) {
  const folders = [...path.split(":").filter(Boolean), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  return {
    fileExists: existsSync,
    findCommand: (name) =>
      folders
        .map((folder) => join(folder, name))
        .find((file) => isProgram(file) && (name === "busybox" || basename(realpathSync(file)) !== "busybox")),
  };
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @type {Record<string, Family>} family of each ID in os-release */
const FAMILIES = {
  debian: "debian",
  ubuntu: "debian",
  fedora: "fedora",
  arch: "arch",
  opensuse: "suse",
  suse: "suse",
  alpine: "alpine",
};

/**
 * Determines the family from the fields ID and ID_LIKE of os-release(5).
 * @param {string} osRelease the file's text; empty if the file does not exist
 * @returns {Family | undefined} undefined if the package names of the distribution are unknown
 */
export function distributionFamily(osRelease) {
  const field = (name) => new RegExp(`^${name}=["']?([^"'\n]*)["']?$`, "m").exec(osRelease)?.[1] ?? "";
  const ids = [field("ID"), ...field("ID_LIKE").split(/\s+/)];
  if (ids.includes("rhel")) return undefined; // ID_LIKE has fedora, but there is no qemu-system-x86_64
  const known = ids.find((id) => id in FAMILIES);
  return known === undefined ? undefined : FAMILIES[known];
}

/** @param {readonly Need[]} needs @param {Family} family @returns {string[]} package names, each once */
export function packagesFor(needs, family) {
  return [...new Set(needs.map((need) => need.packages[family]))];
}

/** @type {Record<Family, readonly string[]>} */
const INSTALL = {
  debian: ["apt-get", "install", "-y", "--no-install-recommends"],
  fedora: ["dnf", "install", "-y"],
  arch: ["pacman", "-S", "--needed", "--noconfirm"],
  suse: ["zypper", "--non-interactive", "install"],
  alpine: ["apk", "add"],
};

/**
 * The command that installs missing needs on hosts of a family.
 * @param {readonly Need[]} needs @param {Family} family
 * @returns {readonly string[]} argv
 */
export function installCommand(needs, family) {
  return [...INSTALL[family], ...packagesFor(needs, family)];
}

/**
 * Decides how to provide missing needs: install them, or show the user the command.
 * @param {readonly Need[]} needs missing needs; not empty
 * @param {{ family: Family | undefined, isRoot: boolean }} host
 * @returns {{ kind: "install", argv: readonly string[] } | { kind: "tell", hint: string }}
 */
export function planFor(needs, { family, isRoot }) {
  if (family === undefined) {
    const names = needs.map((need) => need.name).join(", ");
    return { kind: "tell", hint: `Install with this system's package manager: ${names}; then run the command again.` };
  }
  const argv = installCommand(needs, family);
  if (family === "debian" && isRoot) return { kind: "install", argv };
  return { kind: "tell", hint: `${isRoot ? "" : "sudo "}${argv.join(" ")}` };
}
