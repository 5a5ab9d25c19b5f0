/**
 * A guest's state in a file: written by one QEMU, loaded by another that was started with the same arguments.
 * Sources: QEMU docs/devel/migration, qapi/migration.json.
 * Not here: when a state is worth keeping, and whether it is still of the same machine (the caller's matter).
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { quoteWord } from "../base/command-line.js";
import { DisposableStack } from "../base/disposable-stack.js";
import { TempDir } from "../base/temp-dir.js";
import { waitAtMost } from "../base/wait-at-most.js";
import { readLogTail } from "./qemu/exit-report.js";
import type { QemuProcess } from "./qemu/qemu-process.js";
import { parseMigration } from "./qemu/qmp-message.js";
import type { QmpSession } from "./qemu/qmp-session.js";
import { VmError } from "./vm-error.js";

export interface StateOptions {
  /** Longest wait for the whole state, in milliseconds. @default 120_000 */
  readonly limitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const STATE_LIMIT_MS = 120_000;
/** Between two questions of how far QEMU is, in milliseconds. */
const POLL_MS = 20;
/** In bytes a second: as fast as it goes. QEMU's own limit is 128 MiB. */
const NO_BANDWIDTH_LIMIT = 2 ** 50;

/** The migration URI that reads a state from a file, for a person's command line. `file:` is not known to QEMU < 8.2. */
export const readStateUri = (path: string): string => `exec:exec cat ${quoteWord(path)}`;
/**
 * The same for a QEMU whose standard input the file is. Nobody stands between: on a busy host each 64 KiB that went
 * through a pipe waited for two processes to get their turn (measured: more than 120 s for 360 MB).
 */
const STDIN_URI = "fd:0";

/** Opens a state for a QEMU to have as its standard input. @throws VmError STATE_REJECTED */
export async function openState(path: string): Promise<FileHandle> {
  try {
    const file = await open(path);
    // QEMU waits for the first byte of an empty stream for ever (7.2).
    if ((await file.stat()).size > 0) return file;
    await file.close();
    throw new Error("it is empty");
  } catch (cause) {
    throw rejected(path, (cause as Error).message, cause);
  }
}

const rejected = (path: string, why: string, cause: unknown): VmError =>
  new VmError("STATE_REJECTED", `QEMU did not load the state ${path}: ${why}`, {
    hint: "remove it: a machine that boots makes another",
    cause,
  });

/**
 * Stops the guest and writes its state. The file is there whole, readable by its owner alone, or not at all.
 * The stream comes here through a socket, not by `exec:cat >file`: so that a full disk is told in its own words, and
 * the last byte is known to be written (QEMU ends a program of its own 20 ms after it closed its pipe).
 * @throws VmError STATE_NOT_SAVED
 */
export async function writeState(qmp: QmpSession, path: string, options: StateOptions = {}): Promise<void> {
  const { limitMs = STATE_LIMIT_MS, signal } = options;
  const draft = `${path}.part`;
  await using cleanup = new DisposableStack();
  const folder = cleanup.use(await TempDir.createForSockets("state"));
  const socketPath = join(folder.path, "socket");
  const server = createServer();
  cleanup.defer(() => server.close());
  server.listen(socketPath);
  await once(server, "listening");
  const abort = new AbortController();
  cleanup.defer(() => abort.abort());
  const written: Promise<void> = once(server, "connection", { signal: abort.signal }).then(([socket]) =>
    pipeline(socket as Socket, createWriteStream(draft, { mode: 0o600 }), { signal: abort.signal }),
  );
  const migrate = async (): Promise<void> => {
    await qmp.execute("stop");
    await qmp.execute("migrate-set-parameters", { "max-bandwidth": NO_BANDWIDTH_LIMIT });
    await qmp.execute("migrate", { uri: `unix:${socketPath}` });
    await migrationDone(qmp, { limitMs, signal: abort.signal });
  };
  try {
    // Checked again right before the work begins: a guest is not stopped for a caller that gave up.
    signal?.throwIfAborted();
    await waitAtMost(Promise.all([written, migrate()]), {
      limitMs,
      signal,
      onLimit: () => new Error(`not done in ${limitMs} ms`),
    });
    await rename(draft, path);
  } catch (cause) {
    abort.abort();
    await written.catch(() => {});
    await rm(draft, { force: true }).catch(() => undefined); // the first error counts
    signal?.throwIfAborted();
    throw new VmError("STATE_NOT_SAVED", `could not save the guest's state as ${path}: ${(cause as Error).message}`, {
      hint: "see how much room is left where that file should lie (df)",
      cause,
    });
  }
}

/**
 * Loads the state that is the standard input of a QEMU that was started with `-incoming defer`; the guest stays paused.
 * @param path its file, for messages
 * @throws VmError STATE_REJECTED with QEMU's words
 */
export async function loadState(qemu: QemuProcess, path: string, options: StateOptions = {}): Promise<void> {
  const { limitMs = STATE_LIMIT_MS, signal } = options;
  const { qmp, process, logPath } = qemu;
  try {
    await qmp.execute("migrate-incoming", { uri: STDIN_URI }, { limitMs, signal });
    await migrationDone(qmp, { limitMs, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    // A QEMU that cannot load a state says why on its log, and ends.
    const ended = cause instanceof VmError && cause.code === "QMP_CLOSED";
    if (ended) await waitAtMost(process.exited, { limitMs: 500 });
    const said = (ended && (await readLogTail(logPath)).join("\n")) || (cause as Error).message;
    throw rejected(path, said, cause);
  }
}

/** @throws Error with QEMU's words when it failed, or at the limit; VmError QMP_* */
async function migrationDone(
  qmp: QmpSession,
  wait: { limitMs: number; signal: AbortSignal | undefined },
): Promise<void> {
  const { limitMs, signal } = wait;
  for (const start = performance.now(); performance.now() - start < limitMs; ) {
    // It answers late while it takes in much at once.
    const { status, error } = parseMigration(await qmp.execute("query-migrate", {}, wait));
    if (status === "completed") return;
    if (status === "failed" || status === "cancelled") throw new Error(error ?? `QEMU says no more than "${status}"`);
    await sleep(POLL_MS, undefined, { signal });
  }
  throw new Error(`not done in ${limitMs} ms`);
}
