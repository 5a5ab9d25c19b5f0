/**
 * Ethernet frames on a byte stream, each behind its length as a 32-bit big-endian number.
 * Source: QEMU net/stream.c, net/net.c (net_fill_rstate).
 */

/** Of the number in front of each frame, in bytes. */
export const LENGTH_BYTES = 4;

/** QEMU takes no longer frame (NET_BUFSIZE), in bytes. */
const LONGEST_FRAME = 4_096 + 65_536;

/** A frame with its length in front, as it goes on a stream. */
export function recordOf(frame: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(LENGTH_BYTES + frame.length);
  record.writeUInt32BE(frame.length);
  record.set(frame, LENGTH_BYTES);
  return record;
}

/** The bytes are no stream of frames. */
export class FramingError extends RangeError {
  override readonly name = "FramingError";
}

/** Cuts a stream into records. */
export class RecordSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * @param onRecord gets each record, length and frame, that is complete: a part of `chunk` where that holds all of it
   * @throws FramingError for a length that no frame has; what `onRecord` throws
   */
  push(chunk: Buffer, onRecord: (record: Buffer) => void): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    while (bytes.length - start >= LENGTH_BYTES) {
      const length = bytes.readUInt32BE(start);
      if (length > LONGEST_FRAME) throw new FramingError(`a frame of ${length} bytes`);
      const end = start + LENGTH_BYTES + length;
      if (end > bytes.length) break;
      onRecord(bytes.subarray(start, end));
      start = end;
    }
    this.#rest = bytes.subarray(start);
  }
}
