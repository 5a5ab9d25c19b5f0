/**
 * The rules for the files of one platform image, in a folder or in an archive. The form of an archive itself is checked by
 * archive-rules.ts.
 * Sources: Linux Documentation/arch/x86/boot.rst and Documentation/filesystems/squashfs.rst.
 */
import { type FileFacts, readFacts } from "./file-facts.js";
import { gunzip, gzipBytes } from "./gunzip.js";
import { type ManifestEntry, ManifestMalformed, parseManifest } from "./manifest.js";
import { readUstar, TarBroken } from "./ustar-stream.js";
import type { Complain, Violation } from "./violation.js";

/** dpkg's folder in the squashfs: not below /var, which a dataset of the system pool may hide (stages/postinstall.sh). */
const dpkgFolder = ".var/lib/dpkg";
/** Maximum number of names in a message. */
const MOST_NAMES = 10;

/** The files of the documented layout in a release that was built for boot. */
export const bootFiles: readonly string[] = [
  ...["filesystem.manifest", "filesystem.packages", "filesystem.squashfs", "filesystem.squashfs.hash"],
  ...["initrd", "initrd.hash", "vmlinuz"],
];

/** The files of x86_64/ in a platform archive. */
export const imageFiles: readonly string[] = [
  ...["build.tgz", "build.tgz.hash", "build.tgz.manifest", "build.tgz.packages"],
  ...bootFiles,
];

/** Whether the rules need the whole content of a file. */
export const isReadWhole = (name: string): boolean => /\.(hash|packages|manifest)$|^build\.tgz$/.test(name);

/** Facts about the image, for the report. */
export interface ImageSummary {
  kernel?: string;
  packages?: number;
  paths?: number;
}

type Files = ReadonlyMap<string, FileFacts>;

/**
 * Checks the files against all rules.
 * @param place gives a file's name in a violation, with its place
 * @param required names of the files that must exist
 */
export async function imageViolations(
  files: Files,
  place: (name: string) => string,
  required: readonly string[] = imageFiles,
): Promise<{ readonly violations: Violation[]; readonly summary: ImageSummary }> {
  const violations: Violation[] = [];
  const about = complainInto(violations, place);
  for (const name of required) {
    if (!files.has(name)) about(name)("every file of the documented layout exists", "it is missing");
  }
  pairRule(files, about);
  hashRules(files, about);
  const kernel = kernelRules(files.get("vmlinuz"), about("vmlinuz"));
  initrdRules(files.get("initrd"), about("initrd"));
  const packages = packageRules(files.get("filesystem.packages"), about("filesystem.packages"));
  const manifest = manifestRules(files.get("filesystem.manifest"), about("filesystem.manifest"));
  if (manifest !== undefined) {
    squashfsRules(files.get("filesystem.squashfs"), manifest, about("filesystem.squashfs"));
    contentRules(manifest, kernel, packages, about("filesystem.manifest"));
  }
  packageRules(files.get("build.tgz.packages"), about("build.tgz.packages"));
  const build = manifestRules(files.get("build.tgz.manifest"), about("build.tgz.manifest"));
  const tgz = files.get("build.tgz")?.content;
  if (build !== undefined && tgz !== undefined) await buildRules(tgz, build, about("build.tgz"));
  return {
    violations,
    summary: {
      ...(kernel === undefined ? {} : { kernel }),
      ...(packages === undefined ? {} : { packages: packages.length }),
      ...(manifest === undefined ? {} : { paths: manifest.size }),
    },
  };
}

/** Violations of the hash rules by the existing files. For an archive that cannot be read to its end, they show the damage. */
export function hashViolations(files: Files, place: (name: string) => string): Violation[] {
  const violations: Violation[] = [];
  hashRules(files, complainInto(violations, place));
  return violations;
}

const complainInto =
  (violations: Violation[], place: (name: string) => string) =>
  (name: string): Complain =>
  (rule, found) => {
    violations.push({ file: place(name), rule, found });
  };

const pair = ["initrd.hash", "filesystem.squashfs.hash"] as const;

function pairRule(files: Files, about: (name: string) => Complain): void {
  const [missing] = pair.filter((name) => !files.has(name));
  if (pair.some((name) => files.has(name)) && missing !== undefined) {
    about(missing)(
      "initrd.hash and filesystem.squashfs.hash are both present or both absent",
      "it is missing: if initrd.hash exists, the booter announces both, and iPXE ends the boot at a file that it cannot fetch",
    );
  }
}

function hashRules(files: Files, about: (name: string) => Complain): void {
  for (const name of [...pair, "build.tgz.hash"]) {
    const hash = files.get(name);
    const hashed = name.slice(0, -".hash".length);
    const of = files.get(hashed);
    if (hash === undefined) continue;
    const text = hash.content?.toString("latin1") ?? "";
    if (!/^[0-9a-f]{40}\n$/.test(text)) {
      about(name)(
        "a hash file is 40 hexadecimal digits and a newline",
        `it contains ${JSON.stringify(text.slice(0, 80))}`,
      );
    } else if (of !== undefined && text.trimEnd() !== of.sha1) {
      about(hashed)(`it has the SHA-1 in ${name}`, `it has ${of.sha1}, but should have ${text.trimEnd()}`);
    }
  }
}

/** @returns the kernel's version */
function kernelRules(vmlinuz: FileFacts | undefined, complain: Complain): string | undefined {
  if (vmlinuz === undefined) return undefined;
  const { head } = vmlinuz;
  if (head.length < 0x210 || head.readUInt16LE(0x1fe) !== 0xaa55 || head.toString("latin1", 0x202, 0x206) !== "HdrS") {
    complain("vmlinuz is a Linux kernel for x86", "it has no boot header (HdrS at 0x202)");
    return undefined;
  }
  const start = head.readUInt16LE(0x20e) + 0x200;
  const [version = ""] = head.toString("latin1", start, start + 128).split(/[ \0]/);
  if (/^\d+\.\d+/.test(version)) return version;
  complain("vmlinuz contains its version", `at byte ${start} it has ${JSON.stringify(version)}`);
  return undefined;
}

function initrdRules(initrd: FileFacts | undefined, complain: Complain): void {
  if (initrd === undefined) return;
  const beginnings = { cpio: "303730373031", zstd: "28b52ffd", gzip: "1f8b08", xz: "fd377a585a00" };
  const head = initrd.head.toString("hex", 0, 8);
  if (Object.values(beginnings).some((beginning) => head.startsWith(beginning))) return;
  complain(`initrd is in one of the formats ${Object.keys(beginnings).join(", ")}`, `it begins with ${head}`);
}

/** @returns pairs of name and version */
function packageRules(list: FileFacts | undefined, complain: Complain): [string, string][] | undefined {
  if (list === undefined) return undefined;
  const lines = list.content?.toString("utf8").split("\n") ?? [];
  if (lines.pop() !== "" || lines.length === 0) {
    complain("a package list has one line per package", "it is empty, or its last line is incomplete");
    return undefined;
  }
  const bad = lines.find(
    (line, index) => !/^[a-z0-9][a-z0-9+.-]+ [\w.+~:-]+$/.test(line) || line <= (lines[index - 1] ?? ""),
  );
  if (bad === undefined) return lines.map((line) => line.split(" ") as [string, string]);
  complain("a package list has sorted lines with name and version", `line ${lines.indexOf(bad) + 1}: ${bad}`);
  return undefined;
}

function manifestRules(facts: FileFacts | undefined, complain: Complain): Map<string, ManifestEntry> | undefined {
  if (facts === undefined) return undefined;
  try {
    return parseManifest(facts.content?.toString("latin1") ?? "");
  } catch (error) {
    if (!(error instanceof ManifestMalformed)) throw error;
    complain("a manifest has every path in mtree(5) form", error.message);
    return undefined;
  }
}

function squashfsRules(
  squashfs: FileFacts | undefined,
  manifest: ReadonlyMap<string, ManifestEntry>,
  complain: Complain,
): void {
  if (squashfs === undefined) return;
  const { head, bytes } = squashfs;
  if (head.length < 96 || head.toString("latin1", 0, 4) !== "hsqs" || head.readUInt16LE(28) !== 4) {
    complain("filesystem.squashfs is a squashfs of version 4", "it has no superblock of that version");
    return;
  }
  const used = Number(head.readBigUInt64LE(40));
  // mksquashfs pads the file to a full page.
  if (bytes < used || bytes - used >= 4096) {
    complain(
      "filesystem.squashfs has the length in its superblock",
      `the length is ${used}, but the file has ${bytes} bytes`,
    );
  }
  // Hard links to the same file share an inode, so files with the same digest may do so.
  const inodes = head.readUInt32LE(4);
  const distinct = new Set(
    [...manifest.values()].map(({ path, type, keywords }) => (type === "file" ? keywords.get("sha256digest") : path)),
  );
  if (inodes > manifest.size || inodes < distinct.size) {
    complain(
      "the squashfs contains the paths that filesystem.manifest lists",
      `the squashfs has ${inodes} inodes, but the manifest has ${manifest.size} paths, of which ${distinct.size} differ`,
    );
  }
}

/** The content that an image needs to boot. */
function contentRules(
  manifest: ReadonlyMap<string, ManifestEntry>,
  kernel: string | undefined,
  packages: readonly [string, string][] | undefined,
  complain: Complain,
): void {
  const folders = [...manifest.keys()].flatMap((path) => /^(?:usr\/)?lib\/modules\/([^/]+)$/.exec(path)?.[1] ?? []);
  if (kernel !== undefined && (folders.length !== 1 || folders[0] !== kernel)) {
    complain(
      "the squashfs has the modules of vmlinuz and of no other kernel",
      `vmlinuz is ${kernel}, but the modules are those of ${folders.join(", ") || "no kernel"}`,
    );
  }
  for (const program of ["usr/lib/systemd/systemd", "usr/sbin/zpool"]) {
    const at = [program, program.replace(/^usr\//, "")];
    if (!at.some((path) => manifest.has(path)))
      complain("the squashfs contains the programs of every platform image", `${program} is missing`);
  }
  const strays = (packages ?? []).filter(
    ([name]) => !["", ":amd64", ":all"].some((arch) => manifest.has(`${dpkgFolder}/info/${name}${arch}.list`)),
  );
  if (strays.length > 0) {
    complain(
      "every package of filesystem.packages is in the squashfs",
      `its dpkg does not list ${enumerate(strays.map(([name = ""]) => name))}`,
    );
  }
}

const enumerate = (names: readonly string[]): string =>
  [...names.slice(0, MOST_NAMES), ...(names.length > MOST_NAMES ? [`and ${names.length - MOST_NAMES} more`] : [])].join(
    ", ",
  );

/** Checks that build.tgz contains the files that its manifest lists. */
async function buildRules(
  tgz: Buffer,
  manifest: ReadonlyMap<string, ManifestEntry>,
  complain: Complain,
): Promise<void> {
  const missing = new Set([...manifest.values()].flatMap(({ path, type }) => (type === "file" ? [path] : [])));
  try {
    for await (const { header, content } of readUstar(gunzip(gzipBytes(tgz), complain))) {
      if (header.type !== "0") continue;
      const { sha256 } = await readFacts(content, false);
      missing.delete(header.name);
      if (manifest.get(header.name)?.keywords.get("sha256digest") !== sha256) {
        complain(
          "build.tgz contains the files that build.tgz.manifest lists",
          `${header.name} differs from the manifest, or is not in it`,
        );
      }
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    complain("build.tgz can be unpacked", (error as Error).message);
    return;
  }
  for (const path of missing)
    complain("build.tgz contains the files that build.tgz.manifest lists", `${path} is missing`);
}

/** Whether an error comes from the archive, and not from this host. */
export const isUnreadable = (error: unknown): boolean =>
  error instanceof TarBroken || /^Z_/.test((error as NodeJS.ErrnoException).code ?? "");
