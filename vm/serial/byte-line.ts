/**
 * A two-way line of bytes: a serial port of a machine, or a fake of one in a test.
 * Not here: what the bytes mean (harness/console).
 */
export interface ByteLine extends AsyncDisposable {
  /** Calls `listener` with each chunk as it arrives. @returns a function that stops it */
  onData(listener: (chunk: Buffer) => void): () => void;
  /** Resolves when the bytes have been handed to the line. @throws VmError LINE_CLOSED */
  write(data: Uint8Array | string): Promise<void>;
  /** Resolves once when the far side is gone or the line was closed; never rejects. */
  readonly closed: Promise<void>;
}
