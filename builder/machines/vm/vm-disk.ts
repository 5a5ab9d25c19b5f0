/**
 * The builder VM's second disk: a sparse file with one partition, which contains the pool.
 * Source of the layout: the master boot record (UEFI 2.10, 5.2.1): four 16-byte entries at byte 446, 55 AA at 510.
 */
import { open } from "node:fs/promises";
import { createRawDisk } from "../../../vm/disk-image.js";
import { Draft } from "../../home/draft.js";

/** Size of the disk in the guest. The file uses only as much space as the guest has written. A release needs 2 GiB. */
const POOL_DISK_BYTES = 64 * 2 ** 30;
const SECTOR_BYTES = 512;
/** The partition begins at 1 MiB, the default of partitioning tools. */
const FIRST_SECTOR = 2048;
/** Partition type "Solaris /usr & Apple ZFS". ZFS does not check it. */
const TYPE = 0xbf;

/** Makes the disk. @throws VmError DISK_NOT_MADE */
export async function makePoolDisk(path: string): Promise<void> {
  await using draft = await Draft.begin(path);
  await createRawDisk(draft.path, POOL_DISK_BYTES);
  const record = Buffer.alloc(SECTOR_BYTES);
  record.writeUInt8(TYPE, 446 + 4);
  record.writeUInt32LE(FIRST_SECTOR, 446 + 8);
  record.writeUInt32LE(POOL_DISK_BYTES / SECTOR_BYTES - FIRST_SECTOR, 446 + 12);
  record.writeUInt16BE(0x55aa, 510);
  await using file = await open(draft.path, "r+");
  await file.write(record, 0, SECTOR_BYTES, 0);
  await draft.commit();
}
