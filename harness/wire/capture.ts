/**
 * Writes the frames on the wire to a file that packet analysers can open.
 * Source: the libpcap file format (draft-ietf-opsawg-pcap).
 */
import { createWriteStream, type WriteStream } from "node:fs";
import { openLog } from "../open-log.js";
import { etherTypes } from "./ethernet.js";
import { ipProtocols } from "./ipv4-packet.js";

/** Longest file in bytes, so that a faulty guest cannot fill the disk. */
const LIMIT_BYTES = 64 * 1024 * 1024;
const LINK_TYPE_ETHERNET = 1;
const LONGEST_FRAME = 262_144;
/** Longest UDP frame in the capture, in bytes. Only TFTP's data blocks are longer. */
const LONGEST_TALK = 1_024;

export class Capture implements AsyncDisposable {
  readonly #file: WriteStream;
  #bytes = 0;

  private constructor(file: WriteStream) {
    this.#file = file;
    // A full disk must not end the boot: only the capture is lost.
    file.on("error", () => {});
  }

  /** @param path an existing file is replaced @throws HarnessError LOG_NOT_WRITABLE */
  static create(path: string): Capture {
    const file = createWriteStream(path, { fd: openLog(path) });
    const header = Buffer.alloc(24);
    header.writeUInt32LE(0xa1b2c3d4, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(4, 6);
    header.writeUInt32LE(LONGEST_FRAME, 16);
    header.writeUInt32LE(LINK_TYPE_ETHERNET, 20);
    file.write(header);
    return new Capture(file);
  }

  /**
   * Appends a frame, except TCP and long UDP frames. Those carry the platform to the CN, hundreds of megabytes, and the
   * headnode's transcript records every such request.
   * @param frame must not be changed later
   */
  add(frame: Buffer, sinceEpochMs: number): void {
    if (isBulk(frame) || this.#bytes > LIMIT_BYTES) return;
    const header = Buffer.alloc(16);
    header.writeUInt32LE(Math.floor(sinceEpochMs / 1_000), 0);
    header.writeUInt32LE(Math.floor((sinceEpochMs % 1_000) * 1_000), 4);
    header.writeUInt32LE(frame.length, 8);
    header.writeUInt32LE(frame.length, 12);
    this.#bytes += header.length + frame.length;
    this.#file.write(header);
    this.#file.write(frame);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#file.once("close", resolve);
      if (this.#file.closed) resolve();
      this.#file.end();
    });
  }
}

function isBulk(frame: Buffer): boolean {
  if (frame.length <= 23 || frame.readUInt16BE(12) !== etherTypes.ipv4) return false;
  return frame[23] === ipProtocols.tcp || (frame[23] === ipProtocols.udp && frame.length > LONGEST_TALK);
}
