/**
 * A platform image as a folder: its files, the stamp under which it is served, and its digests.
 * Accepted layouts: the three files in the folder itself, or in its x86_64/ (an unpacked platform archive).
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { UsageError } from "../../base/livelab-error.js";
import type { FileWarning } from "./file-warning.js";

/** The names of the parts in booter's boot.ipxe. */
export const imageFileNames = ["vmlinuz", "initrd", "filesystem.squashfs"] as const;
export type ImageFileName = (typeof imageFileNames)[number];

/** The hash files. An image has both or neither. */
export const imageHashNames = ["filesystem.squashfs.hash", "initrd.hash"] as const;

export interface ImageFolder {
  /** The folder as the caller named it. */
  readonly path: string;
  /** YYYYMMDDTHHMMSSZ */
  readonly stamp: string;
  readonly files: Readonly<Record<ImageFileName, ImageFile>>;
  /** Whether vmlinuz is a Linux kernel for x86. */
  readonly kernelIsLinux: boolean;
  /** Paths of the hash files; undefined if the image has none or only one. */
  readonly hashFiles: Readonly<Record<(typeof imageHashNames)[number], string>> | undefined;
  readonly warnings: readonly FileWarning[];
}

export interface ImageFile {
  readonly path: string;
  readonly sizeBytes: number;
}

const stampPattern = /^\d{8}T\d{6}Z$/;
/** Used if neither the folder's name nor etc/version/platform has a stamp. */
const unknownStamp = "19700101T000000Z";

/** Inspects an image folder. @throws UsageError IMAGE_INCOMPLETE with the names of the missing files */
export async function readImageFolder(path: string): Promise<ImageFolder> {
  const layouts = [path, join(path, "x86_64")];
  let folder = path;
  for (const layout of layouts) {
    if ((await sizeOf(join(layout, "vmlinuz"))) !== undefined) folder = layout;
  }
  const missing: string[] = [];
  const find = async (name: ImageFileName): Promise<ImageFile> => {
    const file = join(folder, name);
    const sizeBytes = await sizeOf(file);
    if (sizeBytes === undefined) missing.push(name);
    return { path: file, sizeBytes: sizeBytes ?? 0 };
  };
  const files = {
    vmlinuz: await find("vmlinuz"),
    initrd: await find("initrd"),
    "filesystem.squashfs": await find("filesystem.squashfs"),
  };
  if (missing.length > 0) {
    throw new UsageError("IMAGE_INCOMPLETE", `${path} is not a platform image: it has no ${missing.join(", no ")}`, {
      hint: "run `livelab build`, or pass a folder that it wrote (out/<stamp> or out/latest)",
    });
  }

  const present: string[] = [];
  for (const name of imageHashNames) if ((await sizeOf(join(folder, name))) !== undefined) present.push(name);
  const warnings: FileWarning[] = [];
  if (present.length === 1) {
    warnings.push({
      file: folder,
      place: "",
      problem: `has ${present[0]} only; a real booter's script would fail with a 404 on the other hash file`,
      remedy: `ship both ${imageHashNames.join(" and ")}, or neither`,
    });
  }
  const kernelIsLinux = await isLinuxKernel(files.vmlinuz.path);
  if (!kernelIsLinux) {
    warnings.push({
      file: files.vmlinuz.path,
      place: "",
      problem: "is not a Linux kernel for x86, so iPXE cannot start it",
      remedy: "build the image again",
    });
  }
  return {
    path,
    stamp: await findStamp(path, folder),
    files,
    kernelIsLinux,
    hashFiles:
      present.length === imageHashNames.length
        ? {
            "filesystem.squashfs.hash": join(folder, "filesystem.squashfs.hash"),
            "initrd.hash": join(folder, "initrd.hash"),
          }
        : undefined,
    warnings,
  };
}

/** Source: Linux Documentation/arch/x86/boot.rst, "header" at 0x202. */
async function isLinuxKernel(path: string): Promise<boolean> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0x202);
  return bytesRead === 4 && buffer.toString("latin1") === "HdrS";
}

/** Digests of the parts that could be read. */
export interface ImageDigests {
  /** SHA-256, lower-case hex. */
  readonly sha256: Readonly<Partial<Record<ImageFileName, string>>>;
  /** Reasons for missing digests, except an abort by the signal. */
  readonly warnings: readonly FileWarning[];
}

/** Never rejects: a boot goes on without digests. */
export async function digestImage(image: ImageFolder, signal?: AbortSignal): Promise<ImageDigests> {
  const sha256: Partial<Record<ImageFileName, string>> = {};
  const warnings: FileWarning[] = [];
  for (const name of imageFileNames) {
    const { path } = image.files[name];
    try {
      sha256[name] = await digestFile(path, signal);
    } catch (error) {
      if (signal?.aborted) break;
      const problem = `cannot be read completely, so the report has no digest of it: ${(error as Error).message}`;
      warnings.push({
        file: path,
        place: "",
        problem,
        remedy: "keep the file until the boot ends, and check its disk",
      });
    }
  }
  return { sha256, warnings };
}

/** SHA-256, lower-case hex. */
export async function digestFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, { ...(signal && { signal }) });
  return hash.digest("hex");
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Finds the stamp in the name of the real folder or of its parent (out/latest is a link, out/<stamp>/image a subfolder),
 * or else in etc/version/platform.
 */
async function findStamp(path: string, folder: string): Promise<string> {
  const real = await realpath(folder);
  const names = [basename(real), basename(dirname(real))].map((name) => name.replace(/^platform-/, ""));
  const named = names.find((name) => stampPattern.test(name));
  if (named !== undefined) return named;
  const version = await readFile(join(path, "etc/version/platform"), "utf8").catch(() => "");
  return stampPattern.test(version.trim()) ? version.trim() : unknownStamp;
}
