/**
 * Creates disk images with Node and QEMU alone, because qemu-img is a separate package.
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
  /** Path of the backing file. It is never changed, and must not be moved. */
  readonly backing: string;
  readonly backingFormat: "raw" | "qcow2";
  /** Size of the disk in the guest, in bytes, at least that of the backing file. @default the size of the backing file */
  readonly bytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Time limit for creating an image of a few hundred KiB, in milliseconds. */
const CREATE_LIMIT_MS = 10_000;

/** Creates a raw disk of zeros that uses no space until it is written to. @throws VmError DISK_EXISTS, DISK_NOT_MADE */
export async function createRawDisk(path: string, bytes: number): Promise<void> {
  await createFile(path, bytes);
}

/**
 * Creates a qcow2 disk that contains only the differences from its backing file.
 * @throws VmError DISK_EXISTS, BACKING_UNUSABLE, DISK_NOT_MADE; QEMU_NOT_FOUND and others of QEMU's start
 */
export async function createOverlay(path: string, overlay: OverlaySpec): Promise<void> {
  const { backingFormat, signal } = overlay;
  const backing = resolve(overlay.backing);
  await stat(backing).catch((cause) => {
    throw new VmError("BACKING_UNUSABLE", `cannot create an overlay of ${backing}: ${cause.message}`, { cause });
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
    throw new VmError("BACKING_UNUSABLE", `cannot create an overlay of ${backing}: ${cause.message}`, { cause });
  });
  await createFile(path, 0);
  try {
    await qemu.qmp.execute("blockdev-add", { driver: "file", "node-name": "overlay", filename: resolve(path) });
    await create(qemu.qmp, signal, {
      driver: "qcow2",
      file: "overlay",
      // QEMU requires a multiple of the sector size.
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
    if (cause.code === "EEXIST")
      throw new VmError("DISK_EXISTS", `cannot create the disk ${path}: the file exists`, { cause });
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
  new VmError("DISK_NOT_MADE", `cannot create the disk ${path}: ${cause.message}`, {
    hint: "check the free space (df) and the permissions of that folder",
    cause,
  });

/** The size of a disk in the guest, in bytes. */
async function readVirtualSize(qmp: QmpSession, path: string, format: string): Promise<number> {
  const file = { driver: "file", filename: path };
  await qmp.execute("blockdev-add", { driver: format, "node-name": "backing", "read-only": true, file });
  const node = parseBlockNodes(await qmp.execute("query-named-block-nodes", { flat: true })).find(
    ({ name }) => name === "backing",
  );
  if (node === undefined) throw new VmError("QMP_MALFORMED", "query-named-block-nodes does not list the added node");
  return node.virtualSize;
}

/** Runs a blockdev-create job to its end. @throws Error with QEMU's message */
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
  throw new Error(`not finished in ${CREATE_LIMIT_MS} ms`);
}
