/**
 * A cloud image as base: a pinned one, which is fetched into the store, or a file of the user.
 * An image is used only if it has its digest. cloud-images.ts has the pinned ones; machines/cloud/cloud-machine.ts starts one.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { formatBytes } from "../../base/format.js";
import { UsageError } from "../../base/livelab-error.js";
import type { Progress } from "../../base/progress/progress.js";
import { findForeignFormat } from "../../vm/foreign-format.js";
import { InputError } from "../builder-error.js";
import { type Digest, formatDigest, parseDigest } from "../profile/digest.js";
import { pinnedCloudImages } from "./cloud-images.js";
import { type DownloadOptions, download, type FileProgress } from "./download.js";
import type { Store } from "./store.js";

export type CloudImageSource =
  | { readonly kind: "address"; readonly name: string; readonly address: string; readonly digest: Digest }
  | { readonly kind: "file"; readonly path: string; readonly digest: Digest };

/** A source in the words of the command line. */
export const cloudBaseWords = z.object({
  /** Value of --base: a pinned image's name, or a path. */
  image: z.string(),
  /** Value of --base-digest, for a file. */
  digest: z.string().optional(),
});

export interface CloudImage {
  readonly path: string;
  readonly format: "qcow2" | "raw";
  readonly digest: Digest;
}

export interface FetchCloudImageOptions extends Pick<DownloadOptions, "proxy" | "retries" | "retryMs" | "idleMs"> {
  readonly store: Store;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads `--base` and `--base-digest`: the name of a pinned image, or a file with its digest.
 * @throws UsageError BAD_BASE, BAD_DIGEST
 */
export function parseCloudBase(base: string, digest: string | undefined): CloudImageSource {
  const names = pinnedCloudImages.map(({ name }) => name).join(", ");
  const pinned = pinnedCloudImages.find(({ name }) => name === base);
  if (pinned !== undefined && digest !== undefined)
    throw new UsageError("BAD_BASE", `--base ${base} is a pinned image and takes no --base-digest`, {
      hint: `leave --base-digest out; for a file of that name use --base ./${base}`,
    });
  if (pinned !== undefined) return { ...pinned, kind: "address", digest: parseBaseDigest(pinned.digest) };
  if (digest === undefined)
    throw new UsageError("BAD_BASE", `--base ${base} is not a pinned image, and a file needs --base-digest`, {
      hint: `name a pinned image (${names}), or add --base-digest sha256:… for a file`,
    });
  return { kind: "file", path: base, digest: parseBaseDigest(digest) };
}

/** Like parseCloudBase(), but both options may be absent. @throws UsageError BAD_BASE, BAD_DIGEST */
export function readCloudBase(base: string | undefined, digest: string | undefined): CloudImageSource | undefined {
  if (base !== undefined) return parseCloudBase(base, digest);
  if (digest === undefined) return undefined;
  throw new UsageError("BAD_BASE", "--base-digest needs a --base file", {
    hint: "add --base FILE, or leave --base-digest out",
  });
}

/** The words for parseCloudBase(), independent of the current directory. */
export const formatCloudBase = (source: CloudImageSource): z.infer<typeof cloudBaseWords> =>
  source.kind === "address"
    ? { image: source.name }
    : { image: resolve(source.path), digest: formatDigest(source.digest) };

/** Reads "sha256:…" or "sha512:…". @throws UsageError BAD_DIGEST */
export function parseBaseDigest(text: string): Digest {
  const digest = parseDigest(text.toLowerCase());
  if (digest !== undefined) return digest;
  throw new UsageError("BAD_DIGEST", `"${text}" is not a digest`, {
    hint: "write sha256: with 64 hexadecimal digits, or sha512: with 128, as sha256sum and sha512sum print them",
  });
}

/**
 * Fetches an image into the store, or checks a file in place.
 * @throws InputError WRONG_DIGEST with file, expected and got; UNAVAILABLE, NOT_FOUND, DISK_FULL, STORE
 * @throws UsageError BAD_BASE if the image is a disk of another program, or compressed
 */
export async function fetchCloudImage(source: CloudImageSource, options: FetchCloudImageOptions): Promise<CloudImage> {
  const { digest } = source;
  const path = source.kind === "file" ? source.path : options.store.pathOf(digest);
  if (source.kind === "file") await checkFile(path, digest, options);
  else if (!(await options.store.has(digest))) await fetchInto(source, options);
  return { path, format: await formatOf(path), digest };
}

async function fetchInto(
  { name, address, digest }: CloudImageSource & { kind: "address" },
  { progress, ...options }: FetchCloudImageOptions,
): Promise<void> {
  await progress.step(`fetch ${name}`, async (step) => {
    const onBytes = (_: number, { bytes, ofBytes }: FileProgress): void =>
      step.status(`${formatBytes(bytes)}${ofBytes === undefined ? "" : ` of ${formatBytes(ofBytes)}`}`);
    try {
      await download({ name, digest, addresses: [address] }, { ...options, onBytes });
    } catch (error) {
      if (!(error instanceof InputError && ["UNAVAILABLE", "WRONG_DIGEST"].includes(error.code))) throw error;
      // download() hints at LIVELAB_MIRROR, but mirrors of packages have no images.
      throw new InputError(error.code, error.message, {
        hint: `fetch it in another way, then use --base FILE --base-digest ${formatDigest(digest)}`,
        cause: error,
      });
    }
  });
}

async function checkFile(path: string, digest: Digest, { progress, signal }: FetchCloudImageOptions): Promise<void> {
  const hash = createHash(digest.algorithm);
  await progress.step(`check ${basename(path)}`, async () => {
    try {
      await pipeline(createReadStream(path), hash, { ...(signal === undefined ? {} : { signal }) });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new InputError("NOT_FOUND", `${path} cannot be read: ${(cause as Error).message}`, {
        hint: `--base takes a disk image, or one of ${pinnedCloudImages.map(({ name }) => name).join(", ")}`,
        cause,
      });
    }
  });
  const got: Digest = { algorithm: digest.algorithm, hex: hash.digest("hex") };
  if (got.hex === digest.hex) return;
  throw new InputError(
    "WRONG_DIGEST",
    `${path}: wrong digest\n  expected ${formatDigest(digest)}\n  got      ${formatDigest(got)}`,
    { hint: "fetch the file again, or correct --base-digest" },
  );
}

/** Detects the format by the first bytes (QEMU docs/interop/qcow2.txt, "magic"). @throws UsageError BAD_BASE */
async function formatOf(path: string): Promise<CloudImage["format"]> {
  await using file = await open(path);
  const foreign = await findForeignFormat(file, path);
  if (foreign !== undefined) {
    throw new UsageError("BAD_BASE", `${path} is ${foreign.what}, but a base must be a raw or qcow2 disk`, {
      hint: `convert it: ${foreign.remedy}`,
    });
  }
  const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
  return buffer.toString("latin1") === "QFI\xfb" ? "qcow2" : "raw";
}
