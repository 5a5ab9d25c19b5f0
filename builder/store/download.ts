/**
 * Downloads one locked file into the store, from the first of its addresses that has the right bytes.
 * Resumes a broken transfer, retries a mirror that is down, and never keeps bytes with a wrong digest.
 * Sources: RFC 9110 14.2 (Range), 15.3.7 (206), 15.5.17 (416).
 */
import pRetry from "p-retry";
import { LivelabError } from "../../base/livelab-error.js";
import type { Progress } from "../../base/progress/progress.js";
import { InputError } from "../builder-error.js";
import { type Digest, formatDigest } from "../profile/digest.js";
import { httpGet, ProxyFailure, type ProxySettings } from "./http-get.js";
import type { PartialFile } from "./partial-file.js";
import type { Store } from "./store.js";

export interface DownloadRequest {
  /** Name for messages. */
  readonly name: string;
  readonly digest: Digest;
  /** Size in bytes, if the lock has it. */
  readonly size?: number | undefined;
  /** In the order in which they are tried. */
  readonly addresses: readonly string[];
}

/** How much of a file has arrived. */
export interface FileProgress {
  /** Including those of earlier tries. */
  readonly bytes: number;
  /** Undefined if neither the lock nor the mirror has the size. */
  readonly ofBytes: number | undefined;
}

export interface DownloadOptions {
  readonly store: Store;
  /** Failures of the mirrors so far. Downloads that share it do not all wait for the same dead mirror. */
  readonly health?: MirrorHealth;
  /** @default no proxy */
  readonly proxy?: ProxySettings | undefined;
  /** Number of further rounds over the mirrors after the first one failed. @default 5 */
  readonly retries?: number | undefined;
  /** Wait before the second round, in milliseconds; doubles each round, at most 10 s. @default 500 */
  readonly retryMs?: number | undefined;
  /** Longest silence of a mirror, in milliseconds. @default 20_000 */
  readonly idleMs?: number | undefined;
  /** Called for each chunk that arrives, with its size and the progress of the file. */
  readonly onBytes?: ((bytes: number, file: FileProgress) => void) | undefined;
  /** Gets a note of each mirror that served wrong bytes, even if another mirror serves the right ones. */
  readonly progress?: Pick<Progress, "note"> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Counts the failures of each mirror, by host, so that those with fewer failures are tried first. */
export class MirrorHealth {
  #failures = new Map<string, number>();

  failed(address: string): void {
    const { host } = new URL(address);
    this.#failures.set(host, (this.#failures.get(host) ?? 0) + 1);
  }

  /** The same addresses, those of mirrors with fewer failures first. */
  sort(addresses: readonly string[]): string[] {
    const failures = (address: string): number => this.#failures.get(new URL(address).host) ?? 0;
    return [...addresses].sort((a, b) => failures(a) - failures(b));
  }
}

/** The result of one address. An address with `later` is tried again, the others are not. */
type Answer =
  | { readonly kind: "done" }
  | { readonly kind: "later" | "never"; readonly why: string; readonly hint?: string }
  | { readonly kind: "wrong"; readonly error: InputError };

/**
 * Downloads a file into the store.
 * @throws InputError NO_MIRROR, UNAVAILABLE with each mirror's answer, WRONG_DIGEST, DISK_FULL, STORE;
 * UsageError BAD_PROXY; the signal's reason
 */
export async function download(request: DownloadRequest, options: DownloadOptions): Promise<void> {
  const { name, addresses } = request;
  const { retries = 5, retryMs = 500, health = new MirrorHealth(), progress, signal } = options;
  if (addresses.length === 0)
    throw new InputError("NO_MIRROR", `${name}: no mirror is configured`, {
      hint: "for a .deb, set LIVELAB_MIRROR=http://mirror.example/debian; for an npm package, npm config set registry URL",
    });
  await using partial = await options.store.begin(request.digest);
  const answers = new Map<string, Answer>();
  let furthest = partial.size;

  /** Tries every mirror that may still have the file. */
  const round = async (): Promise<void> => {
    for (const address of health.sort(addresses)) {
      const before = answers.get(address)?.kind;
      if (before === "never" || before === "wrong") continue;
      const answer = await ask(address, partial, request, options);
      if (answer.kind === "done") return;
      answers.set(address, answer);
      health.failed(address);
      if (answer.kind === "wrong") progress?.note(answer.error.message);
    }
    throw unavailable(name, answers);
  };
  await pRetry(round, {
    retries,
    minTimeout: retryMs,
    maxTimeout: 10_000,
    signal,
    // A round that received bytes does not count as a retry: over a bad line a big file may need many pieces.
    shouldConsumeRetry: () => {
      const gotFurther = partial.size > furthest;
      furthest = Math.max(furthest, partial.size);
      return !gotFurther;
    },
    shouldRetry: ({ error }) =>
      error instanceof InputError &&
      (error.code === "UNAVAILABLE" || error.code === "WRONG_DIGEST") &&
      [...answers.values()].some(({ kind }) => kind === "later"),
  });
}

function unavailable(name: string, answers: ReadonlyMap<string, Answer>): InputError {
  const lines: string[] = [];
  let proxyHint: string | undefined;
  for (const [address, answer] of answers) {
    if (answer.kind === "wrong") return answer.error; // altered bytes are more serious than a missing file
    if (answer.kind === "done") continue;
    lines.push(`\n  ${address}: ${answer.why}`);
    proxyHint ??= answer.hint;
  }
  return new InputError("UNAVAILABLE", `${name}: no mirror has it${lines.join("")}`, {
    hint:
      proxyHint ?? "set LIVELAB_MIRROR to a mirror that has it, check the network, or run livelab inputs import FILE",
  });
}

async function ask(
  address: string,
  partial: PartialFile,
  request: DownloadRequest,
  options: DownloadOptions,
): Promise<Answer> {
  const resumed = partial.size > 0;
  try {
    const answer = await transfer(address, partial, request, options);
    if (answer !== undefined) return answer;
    await partial.commit(request.name, address);
    return { kind: "done" };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof ProxyFailure) {
      return { kind: error.mayPass ? "later" : "never", why: error.message, hint: error.hint };
    }
    if (!(error instanceof LivelabError)) return { kind: "later", why: (error as Error).message };
    if (!(error instanceof InputError && error.code === "WRONG_DIGEST")) throw error;
    if (!resumed) return { kind: "wrong", error };
    // The bad bytes may come from an earlier try: try this mirror once more, from the start.
    return await ask(address, partial, request, options);
  }
}

/** Completes the partial file. @returns undefined on success, or the reason of the failure */
async function transfer(
  address: string,
  partial: PartialFile,
  { name, digest, size }: DownloadRequest,
  { proxy = {}, idleMs = 20_000, onBytes, signal }: DownloadOptions,
): Promise<Answer | undefined> {
  if (size !== undefined && partial.size > size) await partial.restart();
  if (size !== undefined && partial.size === size) return undefined; // complete; the process died before the commit
  const offset = partial.size;
  const headers: Record<string, string> = offset > 0 ? { Range: `bytes=${offset}-` } : {};
  const response = await httpGet(address, { headers, proxy, idleMs, signal });
  try {
    const { status } = response;
    if (status === 416) {
      await partial.restart();
      return { kind: "later", why: "416 (the bytes of an earlier try were longer than the file)" };
    }
    if (status !== 200 && status !== 206) {
      const busy = status >= 500 || status === 429 || status === 408;
      return { kind: busy ? "later" : "never", why: response.statusLine };
    }
    const resumes = status === 206 && response.headers["content-range"]?.startsWith(`bytes ${offset}-`) === true;
    if (status === 206 && !resumes) return { kind: "never", why: "206 with another range than the requested one" };
    if (!resumes && offset > 0) await partial.restart();
    const wrong = (why: string): Answer => ({
      kind: "wrong",
      error: new InputError("WRONG_DIGEST", `${name}: ${why}, from ${address}\n  expected ${formatDigest(digest)}`, {
        hint: "the source altered the file, and none of its bytes are kept; set LIVELAB_MIRROR to another mirror",
      }),
    });
    const length = response.headers["content-length"];
    const ofBytes = size ?? (length === undefined ? undefined : partial.size + Number(length));
    for await (const chunk of response.body) {
      if (size !== undefined && partial.size + chunk.length > size) {
        await partial.restart();
        return wrong(`longer than the ${size} bytes of the lock`);
      }
      await partial.write(chunk);
      onBytes?.(chunk.length, { bytes: partial.size, ofBytes });
    }
    const got = partial.size;
    if (size !== undefined && got < size) {
      // Without a length, the end of the connection looks like the end of the file: the rest can still be fetched.
      if (length === undefined) return { kind: "later", why: `the connection ended after ${got} of ${size} bytes` };
      await partial.restart();
      return wrong(`truncated, ${got} of ${size} bytes`);
    }
  } finally {
    response.discard();
  }
  return undefined;
}
