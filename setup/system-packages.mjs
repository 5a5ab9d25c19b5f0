/**
 * What livelab needs of the host system: how to see that it is there, and which package brings it.
 * All of this is pure or reads only what it is handed; installing is in install-system-packages.mjs.
 * KVM is not in the table: without it everything works, only slower.
 */
import { accessSync, constants, existsSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * @typedef {"debian" | "fedora" | "arch" | "suse" | "alpine"} Family distributions that share package names
 *
 * @typedef {object} Need
 * @property {string} name what the user knows it as
 * @property {"run" | "tests" | "unprivileged"} when always, only for tests, or only when not root
 * @property {{ commands: readonly string[] } | { anyFile: readonly string[] }} probe
 * @property {Record<Family, string>} packages
 *
 * @typedef {object} Probe
 * @property {(name: string) => string | undefined} findCommand where the command is
 * @property {(path: string) => boolean} fileExists
 */

/** One package name for every family. */
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
 * @returns {Need[]} what this host lacks
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
 * Looks in the folders of PATH, and in the sbin folders, which a user's PATH may lack.
 * A link to busybox is no find: its applets lack options of the programs whose names they bear.
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

/** @type {Record<string, Family>} os-release ids and the packages they use */
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
 * Reads the two fields of os-release(5) that say what a distribution is or is like.
 * @param {string} osRelease the file's text; empty when there is none
 * @returns {Family | undefined} undefined for one whose package names we do not know
 */
export function distributionFamily(osRelease) {
  const field = (name) => new RegExp(`^${name}=["']?([^"'\n]*)["']?$`, "m").exec(osRelease)?.[1] ?? "";
  const ids = [field("ID"), ...field("ID_LIKE").split(/\s+/)];
  if (ids.includes("rhel")) return undefined; // calls itself like Fedora, and has no qemu-system-x86_64
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
 * The command that installs what is missing on a family's hosts.
 * @param {readonly Need[]} needs @param {Family} family
 * @returns {readonly string[]} argv
 */
export function installCommand(needs, family) {
  return [...INSTALL[family], ...packagesFor(needs, family)];
}

/**
 * What to do about needs: install them, or tell the user how.
 * @param {readonly Need[]} needs what is missing; not empty
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
