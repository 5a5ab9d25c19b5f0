/**
 * Bundles: one tar with every file that a lock names, for a host without network.
 * The first entry is `bundle`, a control stanza that names the lock; then `<algorithm>-<base64url>` for each file.
 * A bundle is not trusted: import accepts only bytes whose digest the importing host's own lock names.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { link, lstat, mkdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { quoteWord } from "../../base/command-line.js";
import { DisposableStack } from "../../base/disposable-stack.js";
import { formatBytes } from "../../base/format.js";
import { UsageError } from "../../base/livelab-error.js";
import { isDiskFullError } from "../../base/no-room.js";
import type { Progress } from "../../base/progress/progress.js";
import { BuilderError, InputError } from "../builder-error.js";
import { diskFullError } from "../home/disk-full.js";
import { Draft } from "../home/draft.js";
import { createTar, extractTar } from "../home/tar-stream.js";
import { formatDeb822, parseDeb822 } from "../profile/deb822.js";
import { type Digest, formatDigest } from "../profile/digest.js";
import { describeLockedFile, type Lock, lockDigest } from "../profile/lock.js";
import { missingFiles } from "./fetch.js";
import type { Store } from "./store.js";

export interface BundleRequest {
  readonly lock: Lock;
  readonly store: Store;
  /** The bundle's path. */
  readonly file: string;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

const HEADER_NAME = "bundle";
/** A plain tar header has names of at most 100 characters: enough for a sha512 in base64, too few for hexadecimal. */
const entryName = ({ algorithm, hex }: Digest): string =>
  `${algorithm}-${Buffer.from(hex, "hex").toString("base64url")}`;

/**
 * Writes a bundle. An existing file of that name is replaced only by a complete one; a link to a file stays.
 * @throws UsageError NOT_A_FILE for a folder or device; InputError NOT_IN_STORE, DISK_FULL, STORE
 */
export async function exportInputs({ lock, store, file, progress, signal }: BundleRequest): Promise<void> {
  const target = await replaceable(file);
  const [missing, ...others] = await missingFiles(lock.files(), store);
  if (missing !== undefined)
    throw new InputError(
      "NOT_IN_STORE",
      `the store lacks ${describeLockedFile(missing)} and ${others.length} more files`,
      {
        hint: "fetch them: livelab inputs fetch",
      },
    );
  await progress.step(`export inputs to ${file}`, async (step) => {
    await using folder = await openWorkFolder(store);
    await writeFile(join(folder.path, HEADER_NAME), formatHeader(lock));
    const names = [HEADER_NAME];
    for (const { digest } of lock.files()) {
      await link(store.pathOf(digest), join(folder.path, entryName(digest)));
      names.push(entryName(digest));
    }
    try {
      await using draft = await Draft.begin(target);
      await pipeline(createTar(folder.path, names, 0), createWriteStream(draft.path), { signal });
      await draft.commit();
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof BuilderError) throw cause;
      throw await writeError(dirname(file), cause);
    }
    const { size } = await stat(file);
    step.result(`${names.length - 1} files, ${formatBytes(size)}`);
  });
}

/** The path of the file that a new bundle replaces or makes. A rename over /dev/null, for example, would remove the device. */
async function replaceable(file: string): Promise<string> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return file;
  if (found.isFile()) return await realpath(file);
  throw new UsageError("NOT_A_FILE", `${file} is ${found.isDirectory() ? "a folder" : "not a regular file"}`, {
    hint: "name a new file, or one that may be replaced: livelab inputs export inputs.tar",
  });
}

/**
 * Imports the files that the lock names and the store lacks. Valid files stay in the store even if others are bad.
 * @throws InputError BAD_BUNDLE if the file is not a bundle, is truncated or altered, or was made for another lock;
 * DISK_FULL, STORE
 */
export async function importInputs({ lock, store, file, progress, signal }: BundleRequest): Promise<void> {
  const badBundle = (why: string, cause?: unknown): InputError =>
    new InputError("BAD_BUNDLE", `${file}: ${why}`, {
      hint: `make it again: livelab inputs export ${quoteWord(file)}`,
      cause,
    });
  await progress.step(`import inputs from ${file}`, async (step) => {
    const found = await stat(file).catch((cause: Error) => {
      throw badBundle(`cannot be read: ${cause.message}`, cause);
    });
    await store.ensureFreeSpace(2 * found.size); // once unpacked, once in the store
    await using folder = await openWorkFolder(store);
    step.status("unpacking");
    try {
      await pipeline(createReadStream(file), extractTar(folder.path), { signal });
    } catch (cause) {
      signal?.throwIfAborted();
      if (isDiskError(cause)) throw await writeError(folder.path, cause);
      throw badBundle(`is not a complete tar archive: ${(cause as Error).message}`, cause);
    }
    const header = await readFile(join(folder.path, HEADER_NAME), "utf8").catch((cause: unknown) => {
      throw badBundle("is not a bundle of livelab, or lacks its first entry", cause);
    });
    const madeFor = parseHeader(header, file);

    const absent: string[] = [];
    const missing = await missingFiles(lock.files(), store);
    for (const [index, locked] of missing.entries()) {
      signal?.throwIfAborted();
      step.status(`${index}/${missing.length} files`);
      const path = join(folder.path, entryName(locked.digest));
      const entry = await lstat(path).catch(() => undefined);
      if (entry?.isFile() !== true) {
        absent.push(describeLockedFile(locked));
        continue;
      }
      await store
        .add(locked.digest, createReadStream(path), describeLockedFile(locked), file)
        .catch((error: unknown) => {
          if (error instanceof InputError && error.code === "WRONG_DIGEST")
            throw badBundle(`is truncated or altered: ${error.message}`, error);
          if (error instanceof InputError) throw error;
          throw badBundle(`its ${describeLockedFile(locked)} cannot be read: ${(error as Error).message}`, error);
        });
      await rm(path);
    }
    if (absent.length > 0) {
      const lacks = `it lacks ${absent[0]} and ${absent.length - 1} more of the files that profile ${lock.profile.name} needs`;
      if (madeFor.lock === formatDigest(lockDigest(lock))) throw badBundle(`is truncated: ${lacks}`);
      throw badBundle(`was made for another lock (profile ${madeFor.profile}): ${lacks}`);
    }
    step.result(`${missing.length} files imported`);
  });
}

/** Makes a folder on the store's file system, for hard links to the store's files. */
async function openWorkFolder(store: Store): Promise<Draft> {
  await using cleanup = new DisposableStack();
  const folder = cleanup.use(await Draft.begin(join(store.root, "tmp", "bundle")));
  await mkdir(folder.path);
  cleanup.move();
  return folder;
}

function formatHeader(lock: Lock): string {
  return formatDeb822([
    {
      fields: [
        { name: "Format", value: "livelab bundle 1" },
        { name: "Profile", value: lock.profile.name },
        { name: "Lock", value: formatDigest(lockDigest(lock)) },
      ],
    },
  ]);
}

function parseHeader(text: string, file: string): { readonly profile: string; readonly lock: string } {
  const [stanza] = parseDeb822(text, `${file} (${HEADER_NAME})`);
  if (stanza?.get("Format") !== "livelab bundle 1")
    throw new InputError("BAD_BUNDLE", `${file}: this version of livelab cannot read the bundle's format`);
  return { profile: stanza.require("Profile"), lock: stanza.require("Lock") };
}

const isDiskError = (cause: unknown): boolean =>
  isDiskFullError(cause) || ["EACCES", "EROFS", "EIO"].includes((cause as NodeJS.ErrnoException).code ?? "");

async function writeError(folder: string, cause: unknown): Promise<InputError> {
  if (isDiskFullError(cause)) return await diskFullError(folder, 0, cause);
  return new InputError("STORE", `${folder} cannot be written: ${(cause as Error).message}`, {
    hint: "check owner and mode of the folder (ls -ld)",
    cause,
  });
}
