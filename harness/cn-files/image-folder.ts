/**
 * A platform image as a folder: what is in it, under which stamp it is served, and its digests.
 * Layouts taken: the three files in the folder itself, or in its x86_64/ (an unpacked platform archive).
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { UsageError } from "../../base/livelab-error.js";
import type { FileWarning } from "./file-warning.js";

/** The names under which booter's boot.ipxe asks for the parts. */
export const imageFileNames = ["vmlinuz", "initrd", "filesystem.squashfs"] as const;
export type ImageFileName = (typeof imageFileNames)[number];

/** The hash files, which are delivered both or not at all. */
export const imageHashNames = ["filesystem.squashfs.hash", "initrd.hash"] as const;

export interface ImageFolder {
  /** The folder as it was named. */
  readonly path: string;
  /** YYYYMMDDTHHMMSSZ */
  readonly stamp: string;
  readonly files: Readonly<Record<ImageFileName, ImageFile>>;
  /** Whether vmlinuz is what its name says. */
  readonly kernelIsLinux: boolean;
  /** Paths of the hash files, or undefined unless the image has both. */
  readonly hashFiles: Readonly<Record<(typeof imageHashNames)[number], string>> | undefined;
  readonly warnings: readonly FileWarning[];
}

export interface ImageFile {
  readonly path: string;
  readonly sizeBytes: number;
}

const stampPattern = /^\d{8}T\d{6}Z$/;
/** Served when neither the folder's name nor etc/version/platform tells a stamp. */
const unknownStamp = "19700101T000000Z";

/** Looks at a folder. @throws UsageError IMAGE_INCOMPLETE naming what is missing */
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
    throw new UsageError("IMAGE_INCOMPLETE", `${path} is not a platform image: no ${missing.join(", no ")}`, {
      hint: "name a folder that `livelab build` made (out/<stamp> or out/latest), or run `livelab build` first",
    });
  }

  const present: string[] = [];
  for (const name of imageHashNames) if ((await sizeOf(join(folder, name))) !== undefined) present.push(name);
  const warnings: FileWarning[] = [];
  if (present.length === 1) {
    warnings.push({
      file: folder,
      place: "",
      problem: `has ${present[0]} alone, with which a real booter would hand out a script that ends in a 404`,
      remedy: `ship both ${imageHashNames.join(" and ")}, or neither`,
    });
  }
  const kernelIsLinux = await isLinuxKernel(files.vmlinuz.path);
  if (!kernelIsLinux) {
    warnings.push({
      file: files.vmlinuz.path,
      place: "",
      problem: "is not a Linux kernel for x86, so iPXE cannot start it as one",
      remedy: "build the image anew",
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

/** What the parts are, as far as they could be read. */
export interface ImageDigests {
  /** SHA-256, lower-case hex. */
  readonly sha256: Readonly<Partial<Record<ImageFileName, string>>>;
  /** Why the others have none, unless the signal ended it. */
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
      const problem = `cannot be read to its end, so its digest is not told: ${(error as Error).message}`;
      warnings.push({ file: path, place: "", problem, remedy: "see that nobody removes it, and look at its disk" });
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

/** From the names of the folder and its parent (out/latest is a link; out/<stamp>/image a part), else etc/version/platform. */
async function findStamp(path: string, folder: string): Promise<string> {
  const real = await realpath(folder);
  const names = [basename(real), basename(dirname(real))].map((name) => name.replace(/^platform-/, ""));
  const named = names.find((name) => stampPattern.test(name));
  if (named !== undefined) return named;
  const version = await readFile(join(path, "etc/version/platform"), "utf8").catch(() => "");
  return stampPattern.test(version.trim()) ? version.trim() : unknownStamp;
}
