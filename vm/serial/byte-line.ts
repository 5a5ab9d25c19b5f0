/**
 * A bidirectional byte stream: a serial port of a machine, or a fake of one in a test.
 */
export interface ByteLine extends AsyncDisposable {
  /** Calls `listener` with each chunk as it arrives. @returns a function that removes the listener */
  onData(listener: (chunk: Buffer) => void): () => void;
  /** Resolves when the line has accepted the bytes. @throws VmError LINE_CLOSED */
  write(data: Uint8Array | string): Promise<void>;
  /** Resolves when the far side is gone or the line was closed; never rejects. */
  readonly closed: Promise<void>;
}
