/**
 * A guest's state in a file: one QEMU writes it, another QEMU with the same arguments loads it. The caller decides which
 * states to keep, and checks that the machine is the same.
 * Sources: QEMU docs/devel/migration, qapi/migration.json.
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
  /** Time limit for the whole state, in milliseconds. @default 120_000 */
  readonly limitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const STATE_LIMIT_MS = 120_000;
/** Interval between queries of the progress, in milliseconds. */
const POLL_MS = 20;
/** Limit of the speed in bytes per second, practically unlimited. QEMU's default is 128 MiB. */
const NO_BANDWIDTH_LIMIT = 2 ** 50;

/** The migration URI that reads a state from a file, for the command line in argv.txt. QEMU < 8.2 does not support `file:`. */
export const readStateUri = (path: string): string => `exec:exec cat ${quoteWord(path)}`;
/**
 * The same for a QEMU whose standard input is the file. Without a process in between it is faster: on a busy host each 64 KiB
 * through a pipe waited until two processes had run (measured: more than 120 s for 360 MB).
 */
const STDIN_URI = "fd:0";

/** Opens a state to pass as QEMU's standard input. @throws VmError STATE_REJECTED */
export async function openState(path: string): Promise<FileHandle> {
  try {
    const file = await open(path);
    // QEMU 7.2 waits for ever for the first byte of an empty stream.
    if ((await file.stat()).size > 0) return file;
    await file.close();
    throw new Error("it is empty");
  } catch (cause) {
    throw rejected(path, (cause as Error).message, cause);
  }
}

const rejected = (path: string, why: string, cause: unknown): VmError =>
  new VmError("STATE_REJECTED", `QEMU did not load the state ${path}: ${why}`, {
    hint: "remove that file; the next boot saves a new one",
    cause,
  });

/**
 * Stops the guest and writes its state, completely or not at all. Only the owner can read the file.
 * QEMU sends the state through a socket, not to `exec:cat >file`. So a full disk is reported with the system's own error, and
 * the last byte is surely written: QEMU kills a program of its own 20 ms after it has closed the pipe.
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
    // Check again before the work begins: do not stop the guest if the caller has given up.
    signal?.throwIfAborted();
    await waitAtMost(Promise.all([written, migrate()]), {
      limitMs,
      signal,
      onLimit: () => new Error(`not finished in ${limitMs} ms`),
    });
    await rename(draft, path);
  } catch (cause) {
    abort.abort();
    await written.catch(() => {});
    await rm(draft, { force: true }).catch(() => undefined); // the first error counts
    signal?.throwIfAborted();
    throw new VmError("STATE_NOT_SAVED", `cannot save the guest's state to ${path}: ${(cause as Error).message}`, {
      hint: "check the free space in that folder (df)",
      cause,
    });
  }
}

/**
 * Loads the state from the standard input of a QEMU that was started with `-incoming defer`. The guest stays paused.
 * @param path path of the state in messages
 * @throws VmError STATE_REJECTED with QEMU's message
 */
export async function loadState(qemu: QemuProcess, path: string, options: StateOptions = {}): Promise<void> {
  const { limitMs = STATE_LIMIT_MS, signal } = options;
  const { qmp, process, logPath } = qemu;
  try {
    await qmp.execute("migrate-incoming", { uri: STDIN_URI }, { limitMs, signal });
    await migrationDone(qmp, { limitMs, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    // A QEMU that cannot load a state writes the reason to its log, and ends.
    const ended = cause instanceof VmError && cause.code === "QMP_CLOSED";
    if (ended) await waitAtMost(process.exited, { limitMs: 500 });
    const said = (ended && (await readLogTail(logPath)).join("\n")) || (cause as Error).message;
    throw rejected(path, said, cause);
  }
}

/** Waits for the end of a migration. @throws Error with QEMU's message if it failed, or at the limit; VmError QMP_* */
async function migrationDone(
  qmp: QmpSession,
  wait: { limitMs: number; signal: AbortSignal | undefined },
): Promise<void> {
  const { limitMs, signal } = wait;
  for (const start = performance.now(); performance.now() - start < limitMs; ) {
    // QEMU answers late while it reads much data at once.
    const { status, error } = parseMigration(await qmp.execute("query-migrate", {}, wait));
    if (status === "completed") return;
    if (status === "failed" || status === "cancelled")
      throw new Error(error ?? `QEMU reports "${status}" without a reason`);
    await sleep(POLL_MS, undefined, { signal });
  }
  throw new Error(`not finished in ${limitMs} ms`);
}
