/**
 * Unpacks a compressed disk image into a sparse file: its zeros become holes.
 * It uses Node's gzip, so the host needs none.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { UsageError } from "../../base/livelab-error.js";
import { HarnessError } from "../harness-error.js";

/** Size of the blocks that are written or left out, in bytes. File systems keep no holes smaller than 4 KiB. */
const BLOCK_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

/**
 * @param to the target, which is replaced if it exists
 * @throws UsageError MEDIUM_UNREADABLE if `from` is not gzip, or cut short; HarnessError LOG_NOT_WRITABLE if `to` cannot be
 * written, also for a full disk; the signal's reason
 */
export async function unpackSparse(from: string, to: string, signal?: AbortSignal): Promise<void> {
  const notWritable = (cause: Error): HarnessError =>
    new HarnessError("LOG_NOT_WRITABLE", `cannot write ${to}: ${cause.message}`, {
      cause,
      hint: "free some space there, or name another folder with --report",
    });
  await using file = await open(to, "w").catch((cause) => {
    throw notWritable(cause);
  });
  let bytes = 0;
  let failed: HarnessError | undefined;
  const write = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) {
      for (let start = 0; start < chunk.length; start += BLOCK_BYTES) {
        const block = chunk.subarray(start, start + BLOCK_BYTES);
        if (block.equals(ZEROS.subarray(0, block.length))) continue;
        // A disk that fills up writes the first part of a block; only the next write, of the rest, fails.
        for (let done = 0; done < block.length; ) {
          const at = bytes + start + done;
          const { bytesWritten } = await file.write(block, done, block.length - done, at).catch((cause) => {
            failed = notWritable(cause); // pipeline() throws an AbortError instead (Node 20)
            throw cause;
          });
          done += bytesWritten;
        }
      }
      bytes += chunk.length;
    }
  };
  const gunzip = createGunzip({ chunkSize: 16 * BLOCK_BYTES });
  await pipeline(createReadStream(from), gunzip, write, { ...(signal && { signal }) }).catch((cause) => {
    signal?.throwIfAborted();
    if (failed !== undefined) throw failed;
    if (!String(cause.code).startsWith("Z_") && cause.code !== "ENOENT" && cause.code !== "EACCES") throw cause;
    throw new UsageError("MEDIUM_UNREADABLE", `cannot unpack ${from}: ${cause.message}`, {
      cause,
      hint: "build the medium again: livelab build -r STAMP create_usb",
    });
  });
  await file.truncate(bytes); // a hole at the end is part of the disk
}
