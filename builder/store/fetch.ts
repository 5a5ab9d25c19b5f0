/**
 * Downloads locked files into the store, several at once, with progress in bytes and rate. download.ts downloads one.
 */
import { formatBytes } from "../../base/format.js";
import type { Progress, Step } from "../../base/progress/progress.js";
import { describeLockedFile, type LockedFile } from "../profile/lock.js";
import type { LockSpec } from "../profile/profiles.js";
import { type DownloadOptions, download, MirrorHealth } from "./download.js";
import type { ProxySettings } from "./http-get.js";
import { addressesOf, type Mirrors, proxyWith } from "./mirrors.js";
import type { Store } from "./store.js";

export interface FetchRequest {
  /** A lock, or a part of one. */
  readonly lock: { readonly profile: LockSpec; files(): readonly LockedFile[] };
  readonly store: Store;
  /** Called only if a file is missing, because finding mirrors takes a second. */
  readonly mirrors: () => Promise<Mirrors>;
  readonly progress: Progress;
  /** @default no proxy */
  readonly proxy?: ProxySettings | undefined;
  /** Retries and longest silence of mirrors; see DownloadOptions. */
  readonly retry?: Pick<DownloadOptions, "retries" | "retryMs" | "idleMs"> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface FetchReport {
  /** Files of the request. */
  readonly files: number;
  /** Files that were not in the store before. */
  readonly fetched: number;
  /** Bytes that came over the network. */
  readonly fetchedBytes: number;
}

const PARALLEL_DOWNLOADS = 8;

/**
 * Downloads locked files that the store lacks. The first failure ends all downloads; complete and partial files stay
 * for the next try.
 * @throws InputError see download()
 */
export async function fetchInputs(request: FetchRequest): Promise<FetchReport> {
  const { lock, store, progress, signal } = request;
  const files = lock.files();
  const missing = await missingFiles(files, store);
  if (missing.length === 0) return { files: files.length, fetched: 0, fetchedBytes: 0 };
  const neededBytes = missing.reduce((sum, file) => sum + (sizeOf(file) ?? 0), 0);
  await store.ensureFreeSpace(neededBytes);
  const mirrors = await request.mirrors();
  return await progress.step("fetch inputs", async (step) => {
    const meter = new Meter(step, missing.length, neededBytes);
    const failed = new AbortController();
    const options: DownloadOptions = {
      ...request.retry,
      store,
      proxy: proxyWith(request.proxy, mirrors),
      health: new MirrorHealth(),
      signal: signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]),
      onBytes: (bytes) => meter.add(bytes),
      progress,
    };
    const queue = [...missing];
    const work = async (): Promise<void> => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
        const { digest } = file;
        const addresses = addressesOf(file, lock.profile, mirrors);
        await download({ name: describeLockedFile(file), digest, size: sizeOf(file), addresses }, options);
        meter.fileDone();
      }
    };
    const workers = Array.from({ length: PARALLEL_DOWNLOADS }, () =>
      work().catch((error: unknown) => {
        if (!failed.signal.aborted) failed.abort(error); // later failures are only cancellations
        throw error;
      }),
    );
    // Wait for all workers, so that none writes to the store after this function returns.
    await Promise.allSettled(workers);
    signal?.throwIfAborted();
    failed.signal.throwIfAborted();
    step.result(meter.summary());
    return { files: files.length, fetched: missing.length, fetchedBytes: meter.bytes };
  });
}

/**
 * The files that are not in the store: those of unknown size first, then by size, largest first.
 * A big file at the end would leave the other downloads idle.
 */
export async function missingFiles(files: readonly LockedFile[], store: Store): Promise<LockedFile[]> {
  const there = await Promise.all(files.map((file) => store.has(file.digest, sizeOf(file))));
  const order = (file: LockedFile): number => sizeOf(file) ?? Number.MAX_SAFE_INTEGER;
  return files.filter((_, index) => there[index] === false).sort((a, b) => order(b) - order(a));
}

/** Size in bytes; npm's lock has no sizes. */
const sizeOf = (file: LockedFile): number | undefined => (file.kind === "deb" ? file.size : undefined);

/** Counts files and bytes, and updates the step's status at most five times a second. */
class Meter {
  bytes = 0;
  readonly #step: Step;
  readonly #files: number;
  readonly #neededBytes: number;
  readonly #startedMs = performance.now();
  #filesDone = 0;
  #shownMs = Number.NEGATIVE_INFINITY;

  constructor(step: Step, files: number, neededBytes: number) {
    this.#step = step;
    this.#files = files;
    this.#neededBytes = neededBytes;
  }

  add(bytes: number): void {
    this.bytes += bytes;
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < 200) return;
    this.#shownMs = nowMs;
    const of = `${formatBytes(this.bytes)} of ${formatBytes(Math.max(this.#neededBytes, this.bytes))}`;
    this.#step.status(`${this.#filesDone}/${this.#files} files, ${of}, ${this.#rate()}`);
  }

  fileDone(): void {
    this.#filesDone += 1;
  }

  summary(): string {
    return `${this.#files} files, ${formatBytes(this.bytes)}, ${this.#rate()}`;
  }

  #rate(): string {
    const seconds = (performance.now() - this.#startedMs) / 1000;
    return `${formatBytes(this.bytes / Math.max(seconds, 0.001))}/s`;
  }
}
