/**
 * Disk images, made by Node and QEMU alone: qemu-img is a package of its own.
 * Sources: QEMU docs/interop/qcow2, qapi/block-core.json ("blockdev-create"), qapi/job.json.
 */
import { open, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TempDir } from "../base/temp-dir.js";
import { findQemu } from "./qemu/find-qemu.js";
import { startQemu } from "./qemu/qemu-process.js";
import { parseBlockNodes, parseJobs } from "./qemu/qmp-message.js";
import type { QmpSession } from "./qemu/qmp-session.js";
import { CHANNEL_DESCRIPTOR } from "./qemu/tethered-process.js";
import { VmError } from "./vm-error.js";

export interface OverlaySpec {
  /** The file below; never written to. It has to stay where it is. */
  readonly backing: string;
  readonly backingFormat: "raw" | "qcow2";
  /** What the guest sees, in bytes, where that is more than the file below has. @default the size of the file below */
  readonly bytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Longest wait for an image of a few hundred KiB, in milliseconds. */
const CREATE_LIMIT_MS = 10_000;

/** Makes a raw disk of zeros that takes no room until it is written to. @throws VmError DISK_EXISTS, DISK_NOT_MADE */
export async function createRawDisk(path: string, bytes: number): Promise<void> {
  await createFile(path, bytes);
}

/**
 * Makes a qcow2 disk that holds what differs from the file below.
 * @throws VmError DISK_EXISTS, BACKING_UNUSABLE, DISK_NOT_MADE; QEMU_NOT_FOUND and others of QEMU's start
 */
export async function createOverlay(path: string, overlay: OverlaySpec): Promise<void> {
  const { backingFormat, signal } = overlay;
  const backing = resolve(overlay.backing);
  await stat(backing).catch((cause) => {
    throw new VmError("BACKING_UNUSABLE", `cannot lay a disk on ${backing}: ${cause.message}`, { cause });
  });
  const program = await findQemu();
  await using folder = await TempDir.create("overlay");
  // biome-ignore format: a flag and its value share a line
  const args = [
    "-nodefaults", "-no-user-config",
    "-machine", "none",
    "-display", "none",
    "-S",
    "-chardev", `socket,id=control,fd=${CHANNEL_DESCRIPTOR}`,
    "-mon", "chardev=control,mode=control",
  ];
  await using qemu = await startQemu(program, args, { logPath: join(folder.path, "qemu.log"), signal });
  const backingBytes = await readVirtualSize(qemu.qmp, backing, backingFormat).catch((cause) => {
    throw new VmError("BACKING_UNUSABLE", `cannot lay a disk on ${backing}: ${cause.message}`, { cause });
  });
  await createFile(path, 0);
  try {
    await qemu.qmp.execute("blockdev-add", { driver: "file", "node-name": "overlay", filename: resolve(path) });
    await create(qemu.qmp, signal, {
      driver: "qcow2",
      file: "overlay",
      // In sectors, as QEMU wants it.
      size: Math.ceil(Math.max(overlay.bytes ?? 0, backingBytes) / 512) * 512,
      "backing-file": backing,
      "backing-fmt": backingFormat,
    });
  } catch (cause) {
    await rm(path, { force: true }).catch(() => undefined); // the first error counts
    signal?.throwIfAborted();
    throw notMade(path, cause as Error);
  }
}

async function createFile(path: string, bytes: number): Promise<void> {
  const file = await open(path, "wx").catch((cause) => {
    if (cause.code === "EEXIST") throw new VmError("DISK_EXISTS", `${path} is there already`, { cause });
    throw notMade(path, cause);
  });
  try {
    await file.truncate(bytes);
  } catch (cause) {
    await rm(path, { force: true }).catch(() => undefined); // the first error counts
    throw notMade(path, cause as Error);
  } finally {
    await file.close();
  }
}

const notMade = (path: string, cause: Error): VmError =>
  new VmError("DISK_NOT_MADE", `could not make the disk ${path}: ${cause.message}`, {
    hint: "see how much room is left there (df), and who may write there",
    cause,
  });

/** The size that a guest sees, in bytes. */
async function readVirtualSize(qmp: QmpSession, path: string, format: string): Promise<number> {
  const file = { driver: "file", filename: path };
  await qmp.execute("blockdev-add", { driver: format, "node-name": "backing", "read-only": true, file });
  const node = parseBlockNodes(await qmp.execute("query-named-block-nodes", { flat: true })).find(
    ({ name }) => name === "backing",
  );
  if (node === undefined) throw new VmError("QMP_MALFORMED", "query-named-block-nodes does not tell of the node added");
  return node.virtualSize;
}

/** Runs a blockdev-create job to its end. @throws Error with QEMU's words */
async function create(qmp: QmpSession, signal: AbortSignal | undefined, options: Record<string, unknown>) {
  const id = "create";
  await qmp.execute("blockdev-create", { "job-id": id, options });
  for (const start = performance.now(); performance.now() - start < CREATE_LIMIT_MS; ) {
    const job = parseJobs(await qmp.execute("query-jobs", {}, { signal })).find((one) => one.id === id);
    if (job?.status === "concluded") {
      if (job.error !== undefined) throw new Error(job.error);
      return;
    }
    await sleep(10, undefined, { signal });
  }
  throw new Error(`not done in ${CREATE_LIMIT_MS} ms`);
}
