/**
 * Ethernet frames in a byte stream. A record is a frame's length, as a 32-bit big-endian number, and then the frame.
 * Source: QEMU net/stream.c, net/net.c (net_fill_rstate).
 */

/** Size of the length in front of each frame, in bytes. */
export const LENGTH_BYTES = 4;

/** QEMU's longest frame (NET_BUFSIZE), in bytes. */
const LONGEST_FRAME = 4_096 + 65_536;

/** The record of a frame: its length, then the frame. */
export function recordOf(frame: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(LENGTH_BYTES + frame.length);
  record.writeUInt32BE(frame.length);
  record.set(frame, LENGTH_BYTES);
  return record;
}

/** The bytes are not a stream of frames. */
export class FramingError extends RangeError {
  override readonly name = "FramingError";
}

/** Splits a stream into records. */
export class RecordSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * @param onRecord gets each complete record; it is a view of `chunk` if that holds the whole record
   * @throws FramingError if a length exceeds the longest frame; errors of `onRecord`
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
